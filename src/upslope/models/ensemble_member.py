"""One member of an ensemble, as an environment of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.annotations import Key
from upslope.core.records import Step
from upslope.core.static_function import as_module
from upslope.environments.environment import Environment
from upslope.models.gaussian_network import GaussianNetwork
from upslope.models.outcomes import RewardFunction, TerminationFunction, known_end, known_reward
from upslope.models.scales import Scale
from upslope.models.starts import Starts
from upslope.models.vector_spaces import VectorSpaces
from upslope.storage.space_json import space_from_json

if TYPE_CHECKING:
    from gymnasium import spaces


class Scales(NamedTuple):
    """The units of a network's inputs and targets."""

    inputs: Scale  # of observations [D], and of actions [D + A] that are numbers
    targets: Scale  # of changes [D], and of the reward [D + 1] where it is learnt


def network_inputs(
    known: VectorSpaces, scale: Scale, observation: Array, action: Array
) -> Float[Array, " I"]:
    """What a network sees of one step: numbers in their scale, choices one-hot."""
    vector = known.action_vector(action)
    if known.n_actions is None:
        return scale.normalize(jnp.concatenate([observation, vector]))
    return jnp.concatenate([scale.normalize(observation), vector])


class EnsembleMember(Environment):
    """What one network holds to be the environment. The state is the observation.

    Attributes:
      network: predicts changes, the reward and ends.
      scales: of its inputs and targets.
      can_end: whether a step that terminated has ever been seen.
      starts: the first observations of episodes.
      reward: r(o, a, o'); None where it is learnt.
      termination: whether a step ends; None where it is learnt.
      samples: draw from the predicted distributions instead of taking their means. Static.
      observation_json: the space of observations. Static.
      action_json: likewise of actions. Static.
      time_limit: steps; None for never. Static.
    """

    name: ClassVar[str] = "ensemble-member"
    network: GaussianNetwork
    scales: Scales
    can_end: Bool[Array, ""]
    starts: Starts
    reward: RewardFunction | None = eqx.field(converter=as_module)
    termination: TerminationFunction | None = eqx.field(converter=as_module)
    samples: bool = eqx.field(static=True)
    observation_json: str = eqx.field(static=True)
    action_json: str = eqx.field(static=True)
    time_limit: int | None = eqx.field(static=True, default=None)

    @property
    def known(self) -> VectorSpaces:
        """What its vectors are."""
        return VectorSpaces.of(self.observation_json, self.action_json)

    @property
    def observation_space(self) -> spaces.Space:
        return space_from_json(json.loads(self.observation_json))

    @property
    def action_space(self) -> spaces.Space:
        return space_from_json(json.loads(self.action_json))

    def reset(self, key: Key) -> tuple[Float[Array, " D"], Float[Array, " D"]]:
        observation = self.starts.draw(key)
        return observation, observation

    def step(
        self, key: Key, state: Float[Array, " D"], action: Array
    ) -> tuple[Float[Array, " D"], Step]:
        inputs = network_inputs(self.known, self.scales.inputs, state, action)
        return self.outcome(key, self.network.outputs(inputs), state, action)

    def outcome(
        self, key: Key, outputs: Float[Array, " O"], state: Float[Array, " D"], action: Array
    ) -> tuple[Float[Array, " D"], Step]:
        """A step as the outputs of a network say. The key is consumed."""
        noise_key, end_key = jax.random.split(key)
        known, n_targets = self.known, self.scales.targets.mean.shape[-1]
        size = known.n_observed
        normal = outputs[:n_targets]
        if self.samples:
            deviation = jnp.exp(0.5 * self.network.log_variance(outputs, size))
            noise = jax.random.normal(noise_key, (size,), normal.dtype)
            # Of the reward the mean: its noise would only hide which actions are good.
            normal = jnp.concatenate([normal[:size] + deviation * noise, normal[size:]])
        target = self.scales.targets.restore(normal)
        following = state + target[:size]
        if np.isfinite(known.low).any() or np.isfinite(known.high).any():
            low, high = (jnp.asarray(bound, state.dtype) for bound in (known.low, known.high))
            following = jnp.clip(following, low, high)
        if self.reward is None:
            reward = target[size]
        else:
            reward = known_reward(self.reward, state, action, following)
        if self.termination is None:
            odds = jnp.zeros((), normal.dtype)
            if self.samples:
                chance = jax.random.uniform(end_key, dtype=normal.dtype)
                odds = jnp.log(chance) - jnp.log1p(-chance)
            ends = self.can_end & (outputs[-1] > odds)
        else:
            ends = known_end(self.termination, state, action, following)
        return following, Step(following, reward, ends)
