"""A policy that standardises its observations."""

from __future__ import annotations

import dataclasses
from typing import Any

from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Noise, Observation
from upslope.core.distributions.distribution import Distribution
from upslope.core.moments import Moments
from upslope.core.networks.linear import Linear
from upslope.core.records import Act
from upslope.policies.bodies.body import Body
from upslope.policies.policy import Policy
from upslope.policies.twin.actor import TwinActor
from upslope.policies.twin.normalizer import TwinNormalizer


class NormalizedPolicy(Policy):
    """Another policy, given (observation - mean) / std.

    The moments are part of the policy, so that it can never be loaded without them, but they are
    not parameters: no search method moves them and no gradient flows into them. They change only by
    `observe`.

    Attributes:
      policy: the policy that reads standardised observations; it may have a memory.
      moments: of the observations, in their shape (or tree).
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

    @property
    def shares_features(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the inner policy has features to share."""
        return self.policy.shares_features

    def extract_features(self, observation: Observation) -> Float[Array, " features"]:
        return self.policy.extract_features(self.normalize(observation))

    def read_out_like(self, key: Key, n_outputs: int) -> Linear:
        return self.policy.read_out_like(key, n_outputs)

    def from_features(
        self, features: Float[Array, " features"], observation: Observation
    ) -> Distribution:
        return self.policy.from_features(features, observation)

    def __call__(self, observation: Observation, memory: Memory = None) -> Any:
        return self.policy(self.normalize(observation), memory)

    def act(self, noise: Noise, observation: Observation, memory: Memory) -> Act:
        return self.policy.act(noise, self.normalize(observation), memory)

    def initial_memory(self) -> Memory:
        return self.policy.initial_memory()

    def network_like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> Body:
        return self.policy.network_like(key, n_outputs, n_extra_inputs)

    def normalize(self, observation: Observation) -> Observation:
        """Of a tree, only what `Moments` counts: masks, categories and bytes stay as they are."""
        return self.moments.normalize(observation)

    @property
    def observation_moments(self) -> Moments:
        return self.moments

    def noise(self, key: Key) -> Noise:
        return self.policy.noise(key)

    def observe(self, moments: Moments) -> NormalizedPolicy:
        return NormalizedPolicy(self.policy, self.moments.merge(moments))

    def numpy(self) -> TwinActor | None:
        twin = self.policy.numpy()
        if not isinstance(twin, TwinActor) or twin.normalizer is not None:
            return None
        return dataclasses.replace(
            twin, normalizer=TwinNormalizer.of(self.moments.mean, self.moments.variance)
        )
