"""A sketch of PlaNet against the contract: a filter that must remember what was done.

PlaNet acts from a belief. The belief follows from the observation, the last belief **and the last
action**: the memory is complete only after the action is chosen. The sketch has the shape of it: a
latent linear model as an `Environment`, CEM in that latent space, and an actor whose memory after
the step holds the belief, the action and the planner's warm start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from jax import Array

from upslope.core.actor import Actor
from upslope.core.records import Act, Step
from upslope.environments import Environment
from upslope.planning import Planner


class LatentModel(Environment):
    """A latent model as an environment: its state is a belief, its reward a prediction."""

    A: Array  # [n, n]
    B: Array  # [n, m]
    cost: Array  # [n]
    time_limit: int | None = eqx.field(static=True, default=None)

    def reset(self, key: Array) -> tuple[Array, Array]:
        belief = jnp.zeros(self.A.shape[0])
        return belief, belief

    def step(self, key: Array, state: Array, action: Array) -> tuple[Array, Step]:
        after = self.A @ state + self.B @ action
        reward = -jnp.sum(self.cost * jnp.square(after)) - 0.01 * jnp.sum(jnp.square(action))
        return after, Step(after, reward, jnp.zeros((), bool))

    @property
    def observation_space(self) -> Any:
        return spaces.Box(-np.inf, np.inf, (self.A.shape[0],))

    @property
    def action_space(self) -> Any:
        return spaces.Box(-1.0, 1.0, (self.B.shape[1],))


class FilterMemory(NamedTuple):
    """What is remembered after a step."""

    belief: Array  # [n] after the last observation
    action: Array  # [m] that was taken on it
    plan: Any  # the planner's warm start


class FilteringActor(Actor):
    """Predicts with the remembered action, corrects with the observation, plans from the belief.

    Attributes:
      model: latent dynamics.
      observe_matrix: [o, n]: what of the belief is observed.
      gain: [n, o], of the correction.
      planner: in the model.
    """

    model: LatentModel
    observe_matrix: Array
    gain: Array
    planner: Planner

    def initial_memory(self) -> FilterMemory:
        n, m = self.model.B.shape
        return FilterMemory(jnp.zeros(n), jnp.zeros(m), self.planner.initial_memory())

    def act(self, noise: Array, observation: Array, memory: FilterMemory) -> Act:
        predicted = self.model.A @ memory.belief + self.model.B @ memory.action
        belief = predicted + self.gain @ (observation - self.observe_matrix @ predicted)
        plan = self.planner.plan(noise, belief, memory.plan)
        return Act(plan.action, FilterMemory(belief, plan.action, plan.memory), extras=belief)
