"""Environments that hide their state, opened for critics that must see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Memory
from upslope.core.distributions.distribution import Distribution
from upslope.core.non_trainable import NonTrainable
from upslope.core.records import Step, Trajectories
from upslope.environments.environment import Environment
from upslope.policies.bodies.body import Body
from upslope.policies.policy import Policy

if TYPE_CHECKING:
    from gymnasium import spaces


def what_is_seen(environment: Environment) -> Array | None:
    """What a policy sees in each state, [S, ...]; None where it sees the state's number."""
    if not (hasattr(environment, "finite_mdp") and hasattr(environment, "observation")):
        return None
    from upslope import exact

    return exact.observations(environment)


class StateNumberEnvironment(Environment):
    """An environment over a finite MDP that shows the number of its state.

    Attributes:
      environment: with `finite_mdp()`; its state is a number.
      time_limit: of the environment. Static.
    """

    name = "opened"
    environment: Environment
    time_limit: int | None = eqx.field(static=True)

    @classmethod
    def of(cls, environment: Environment) -> StateNumberEnvironment:
        """The environment behind another's observations."""
        return cls(environment=environment, time_limit=environment.time_limit)

    def reset(self, key: Array) -> tuple[Array, Array]:
        state, _ = self.environment.reset(key)
        return state, state

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        state, step = self.environment.step(key, state, action)
        return state, step._replace(observation=state)

    @property
    def observation_space(self) -> spaces.Space:
        return self.environment.observation_space

    @property
    def action_space(self) -> spaces.Space:
        return self.environment.action_space


class Seen(NonTrainable):
    """What is seen in each state.

    Attributes:
      numbers: [S, ...], floats, because policies are differentiated whole.
      dtype: of the observations. Static.
    """

    numbers: Array
    dtype: str = eqx.field(static=True)

    @classmethod
    def of(cls, observations: Array) -> Seen:
        """The observations [S, ...] of the states, kept."""
        return cls(observations.astype(float), str(observations.dtype))

    def __call__(self, state: Array) -> Array:
        """The observation of a state."""
        return jax.lax.stop_gradient(self.numbers)[state].astype(self.dtype)


class MaskedObservation(Policy):
    """A policy that is shown states and looks at what can be seen of them.

    Its parameters are those of the policy inside.

    Attributes:
      policy: of observations.
      seen: what they are; carried, not searched.
    """

    policy: Policy
    seen: Seen

    def __call__(self, observation: Array, memory: Memory = None) -> Distribution:
        """The distribution of the action in a state."""
        return self.policy(self.seen(observation))

    def network_like(self, key: Array, n_outputs: int, n_extra_inputs: int = 0) -> Body:
        return self.policy.network_like(key, n_outputs, n_extra_inputs)


def mask_again(episodes: Trajectories, seen: Array) -> Trajectories:
    """Trajectories with observations in the place of the states that stand there."""
    return episodes._replace(
        observation=jnp.asarray(seen)[episodes.observation],
        next_observation=jnp.asarray(seen)[episodes.next_observation],
    )
