"""The policy that is a body and a head."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Key, Memory, Noise, Observation
from upslope.core.distributions.distribution import Distribution
from upslope.core.networks.linear import Linear
from upslope.core.records import Act
from upslope.policies.bodies.body import Body
from upslope.policies.encoding import action_mask
from upslope.policies.heads import Head
from upslope.policies.policy import Policy
from upslope.policies.twin.actor import TwinActor


class NetworkPolicy(Policy):
    r"""A body computes numbers from the observation, a head makes them a distribution.

    .. math:: \pi(a \mid s) = head\big(body_\theta(s)\big)(a)

    Where the observation is a dict with the field `action_mask`, the head leaves out the actions
    that it forbids.

    Attributes:
      body: the architecture.
      head: the kind of distribution.

    References:
      Sutton and Barto (2018), sections 13.1 and 13.7.
    """

    body: Body
    head: Head

    @property
    def differentiable(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the head has a score."""
        return self.head.differentiable

    @property
    def has_memory(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the body has a memory."""
        return self.body.has_memory

    @property
    def shares_features(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the body has features to share."""
        return self.body.shares_features

    def __call__(self, observation: Observation, memory: Memory = ()) -> Any:
        output, memory = self.body(observation, memory)
        distribution = self._distribution(output, observation)
        return (distribution, memory) if self.has_memory else distribution

    def _distribution(self, output: Array, observation: Observation) -> Distribution:
        mask = action_mask(observation)
        return self.head(output) if mask is None else self.head(output, mask)

    def extract_features(self, observation: Observation) -> Float[Array, " features"]:
        return self.body.extract_features(observation)

    def read_out_like(self, key: Key, n_outputs: int) -> Linear:
        return self.body.read_out_like(key, n_outputs)

    def from_features(
        self, features: Float[Array, " features"], observation: Observation
    ) -> Distribution:
        return self._distribution(self.body.read_out(features), observation)

    def initial_memory(self) -> Memory:
        return self.body.initial_memory()

    def noise(self, key: Key) -> Noise:
        """The head's noise, which depends on the key alone."""
        floats = [
            leaf.dtype
            for leaf in jax.tree.leaves(self.body)
            if jnp.issubdtype(leaf.dtype, jnp.floating)
        ]
        return self.head.noise(key, jnp.result_type(*floats) if floats else float)

    def act(self, noise: Noise, observation: Observation, memory: Memory) -> Act:
        said = self(observation, memory)
        distribution, memory = said if self.has_memory else (said, memory)
        return Act(distribution.from_noise(noise), memory)

    def network_like(self, key: Key, n_outputs: int, n_extra_inputs: int = 0) -> Body:
        return self.body.like(key, n_outputs, n_extra_inputs)

    def numpy(self) -> TwinActor | None:
        body, head = self.body.numpy(), self.head.numpy()
        return None if body is None or head is None else TwinActor(body, head)
