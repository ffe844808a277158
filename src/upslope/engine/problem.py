"""A search, spelled out: which environment, which policy, which method, which objective."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.search.search_method import SearchMethod


class Problem(NamedTuple):
    """Everything a program needs to know about what it runs."""

    environment: Environment | GymnasiumSpec
    policy: Callable[[Array], Policy]  # a fresh policy from a key
    method: SearchMethod
    objective: Objective
