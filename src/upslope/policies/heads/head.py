"""The contract every head keeps."""

from __future__ import annotations

import abc

import equinox as eqx
from jax import Array

from upslope.core.distributions.distribution import Distribution


class Head(eqx.Module):
    """Turns the last numbers of a network into a distribution over actions.

    Its leaves, where it has any (a free log standard deviation), are parameters of the policy.
    """

    @property
    @abc.abstractmethod
    def n_outputs(self) -> int:
        """How many numbers it reads."""

    @abc.abstractmethod
    def __call__(self, output: Array) -> Distribution:
        """The distribution of the action, from the network's output [n_outputs]."""
