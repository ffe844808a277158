"""The contract every policy keeps."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
from jax import Array

from upslope.core.distributions.distribution import Distribution
from upslope.core.moments import Moments


class Policy(eqx.Module):
    r"""A parameterised policy pi_theta(a|s). Its leaves are theta; the gradient with respect to the
    policy is the gradient with respect to theta.

    A memoryless policy maps one observation to a distribution: `policy(observation)`. A policy
    with memory (`has_memory`) maps an observation and its memory to a distribution and the next
    memory: `policy(observation, memory)`. Both are unbatched: `jax.vmap` them. Code that must work
    with either calls `act(policy, observation, memory)`.
    """

    has_memory: ClassVar[bool] = False
    scored: ClassVar[bool] = True  # whether log pi can be differentiated

    @abc.abstractmethod
    def __call__(self, observation: Array, memory: Any = None) -> Any:
        """The distribution of the action; with memory, a pair (distribution, next memory)."""

    def initial_memory(self) -> Any:
        """The memory at the start of an episode; `()` when there is none."""
        return ()

    @abc.abstractmethod
    def value_function(self, key: Array) -> ValueFunction:
        """A fresh value function of the same architecture, for actor-critic methods."""

    def normalize(self, observation: Array) -> Array:
        """The observation as the policy's network sees it."""
        return observation

    def observe(self, moments: Moments) -> Policy:
        """The same policy with the moments of new observations merged into its normaliser."""
        return self


class ValueFunction(eqx.Module):
    """V(s), unbatched. It reads `policy.normalize(observation)`, so it shares the policy's moments.

    With memory: `value(observation, memory) -> (V, memory)`; `initial_memory` as for policies.
    """

    has_memory: ClassVar[bool] = False

    @abc.abstractmethod
    def __call__(self, observation: Array, memory: Any = None) -> Any:
        """The value, a scalar; with memory, a pair (value, next memory)."""

    def initial_memory(self) -> Any:
        """The memory at the start of an episode; `()` when there is none."""
        return ()


def act(policy: Any, observation: Array, memory: Any) -> tuple[Distribution, Any]:
    """Calls a policy with or without memory (or a value function) in one shape.

    Returns:
      What the policy says and the next memory (`()` for a memoryless one).
    """
    if policy.has_memory:
        return policy(observation, memory)
    return policy(observation), memory
