"""A policy that standardises what it sees."""

from __future__ import annotations

from typing import Any

from jax import Array

from upslope.core.moments import Moments
from upslope.core.records import Act
from upslope.policies.policy import Policy, ValueFunction


class NormalizedPolicy(Policy):
    """Another policy, shown (observation - mean) / std.

    The moments are part of the policy, so that it can never be loaded without them, but they are
    not parameters: no search method moves them and no gradient flows into them. They change only by
    `observe`.

    Attributes:
      policy: the policy that sees standardised observations; it may have a memory.
      moments: of the observations, in their shape.
    """

    policy: Policy
    moments: Moments

    @property
    def differentiable(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the inner policy has a score."""
        return self.policy.differentiable

    @property
    def has_memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the inner policy has a memory."""
        return self.policy.has_memory

    def __call__(self, observation: Array, memory: Any = None) -> Any:
        return self.policy(self.normalize(observation), memory)

    def act(self, noise: Any, observation: Any, memory: Any) -> Act:
        return self.policy.act(noise, self.normalize(observation), memory)

    def initial_memory(self) -> Any:
        return self.policy.initial_memory()

    def value_function(self, key: Array) -> ValueFunction:
        return self.policy.value_function(key)

    def normalize(self, observation: Array) -> Array:
        return self.moments.normalize(observation)

    @property
    def observation_moments(self) -> Moments:
        return self.moments

    def noise(self, key: Array) -> Any:
        return self.policy.noise(key)

    def observe(self, moments: Moments) -> NormalizedPolicy:
        return NormalizedPolicy(self.policy, self.moments.merge(moments))
