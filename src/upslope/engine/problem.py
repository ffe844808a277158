"""A search, spelled out: which world, which policy, which method, which objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.search.search_method import SearchMethod


class Problem(NamedTuple):
    """Everything the loop needs to know about what it runs."""

    world: Environment | Any  # a JAX environment, or simulators
    policy: Callable[[Array], Policy]  # a fresh policy from a key
    method: SearchMethod
    objective: Objective

    @property
    def in_jax(self) -> bool:
        """Whether the world is part of the compiled program."""
        return isinstance(self.world, Environment)
