"""Policies without a score: any rule at all."""

from __future__ import annotations

from typing import ClassVar

from jax import Array

from upslope.core.networks import MLP
from upslope.policies.network import NetworkValue
from upslope.policies.policy import Policy


class NonDifferentiablePolicy(Policy):
    """A rule that gradient-free methods search: its actions jump where its parameters move.

    Its value function, should anybody want one, is a network of two layers of 64.
    """

    differentiable: ClassVar[bool] = False

    def network_value(
        self, key: Array, in_size: int, categories: tuple[int, ...] = ()
    ) -> NetworkValue:
        """V of what the rule sees."""
        return NetworkValue(MLP(key, in_size, (64, 64), 1, "tanh", 1.0), categories)
