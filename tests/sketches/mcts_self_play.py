"""A sketch of AlphaZero against the contract: tree search as a planner, self-play as sampling.

It is small on purpose, and it is not shipped. It asks whether tree search fits the contract as it
is: a planner whose root comes with `FullState`, `Step.discount` -1 in the backup, visit counts and
root values back as `Trajectories.extras`, and nothing of the engine or the samplers touched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.static_function import StaticFunction
from upslope.environments import AlternatingGame, FullState
from upslope.objectives import EpisodicReturn, Objective
from upslope.planning import Planner, PlannerOutput

Evaluator = Callable[[Any], tuple[Array, Array]]  # observation to (prior logits [A], value)


class Tree(NamedTuple):
    """A search tree of N nodes; node 0 is the root."""

    states: Any  # [N, ...]
    over: Array  # [N] bool
    child: Array  # [N, A] int; -1 where not expanded
    prior: Array  # [N, A]
    visits: Array  # [N, A]
    total: Array  # [N, A] sum of backed-up values, seen by the node's mover
    reward: Array  # [N, A]
    discount: Array  # [N, A]


class SearchExtras(NamedTuple):
    """What self-play learns from."""

    visits: Array  # [A] of the root's actions
    root_value: Array  # scalar


def uninformed(observation: Any) -> tuple[Array, Array]:
    """Every legal move alike, and nothing known of the value."""
    return jnp.zeros(observation["action_mask"].shape), jnp.zeros(())


class MonteCarloTreeSearch(Planner):
    """PUCT in a deterministic game.

    Attributes:
      environment: the game.
      objective: whose discount it backs up with.
      evaluator: prior and value of an observation, both from the mover's side.
      n_simulations: expansions per plan. Static.
      depth: longest descent. Static.
      exploration: c of PUCT.
    """

    environment: AlternatingGame
    objective: Objective = EpisodicReturn()
    evaluator: Any = StaticFunction(uninformed)
    n_simulations: int = eqx.field(static=True, default=64)
    depth: int = eqx.field(static=True, default=9)
    exploration: float = 1.5

    @property
    def model_steps(self) -> int:
        return self.n_simulations

    def plan(self, key: Array, state: Any, memory: Any) -> PlannerOutput:
        gamma = self.objective.discount
        tree = self._root(state)

        def descend(tree: Tree) -> tuple[Array, Array]:
            """The path [depth, 2] of (node, action), -1 below its end; the last one is new."""

            def down(carry: Any, _: None) -> tuple[Any, Any]:
                node, going = carry
                visits, total = tree.visits[node], tree.total[node]
                value = jnp.where(visits > 0, total / jnp.maximum(visits, 1), 0.0)
                bonus = tree.prior[node] * jnp.sqrt(jnp.sum(visits) + 1.0) / (1.0 + visits)
                score = jnp.where(tree.prior[node] > 0, value + self.exploration * bonus, -jnp.inf)
                action = jnp.argmax(score)
                step = jnp.where(going, jnp.stack([node, action]), -1)
                child = tree.child[node, action]
                going_on = going & (child >= 0) & ~tree.over[jnp.maximum(child, 0)]
                return (jnp.where(going_on, child, node), going_on), step

            _, path = jax.lax.scan(
                down, (jnp.zeros((), int), jnp.ones((), bool)), length=self.depth
            )
            return path, jnp.sum(path[:, 0] >= 0) - 1

        def simulate(tree: Tree, inputs: Any) -> tuple[Tree, None]:
            number, key = inputs
            path, last = descend(tree)
            node, action = path[last, 0], path[last, 1]
            parent = jax.tree.map(lambda leaf: leaf[node], tree.states)
            after, out = self.environment.step(key, parent, action)
            prior, value = self.evaluator(out.observation)
            prior = self._prior(prior, after)
            value = jnp.where(out.terminated, 0.0, value)
            discount = gamma * (1.0 if out.discount is None else out.discount)
            tree = tree._replace(
                states=jax.tree.map(lambda all, one: all.at[number].set(one), tree.states, after),
                over=tree.over.at[number].set(out.terminated),
                prior=tree.prior.at[number].set(prior),
                child=tree.child.at[node, action].set(number),
                reward=tree.reward.at[node, action].set(out.reward),
                discount=tree.discount.at[node, action].set(discount),
            )

            def back(carry: Any, step: Array) -> tuple[Any, None]:
                value, visits, total = carry
                node, action = step[0], step[1]
                on = node >= 0
                node = jnp.maximum(node, 0)
                worth = tree.reward[node, action] + tree.discount[node, action] * value
                visits = visits.at[node, action].add(jnp.where(on, 1.0, 0.0))
                total = total.at[node, action].add(jnp.where(on, worth, 0.0))
                return (jnp.where(on, worth, value), visits, total), None

            start = (value, tree.visits, tree.total)
            (_, visits, total), _ = jax.lax.scan(back, start, path[::-1])
            return tree._replace(visits=visits, total=total), None

        keys = jax.random.split(key, self.n_simulations)
        numbers = jnp.arange(1, self.n_simulations + 1)
        tree, _ = jax.lax.scan(simulate, tree, (numbers, keys))
        visits = tree.visits[0]
        value = jnp.sum(tree.total[0]) / jnp.maximum(jnp.sum(visits), 1.0)
        return PlannerOutput(
            action=jnp.argmax(visits),
            action_weights=visits / jnp.maximum(jnp.sum(visits), 1.0),
            value=value,
            extras=SearchExtras(visits, value),
        )

    def _root(self, state: Any) -> Tree:
        size, n_actions = self.n_simulations + 1, int(self.environment.action_space.n)
        prior, _ = self.evaluator(self.environment.observe(state))
        table = jnp.zeros((size, n_actions))
        return Tree(
            states=jax.tree.map(
                lambda leaf: jnp.broadcast_to(leaf, (size, *jnp.shape(leaf))), state
            ),
            over=jnp.zeros(size, bool),
            child=jnp.full((size, n_actions), -1),
            prior=table.at[0].set(self._prior(prior, state)),
            visits=table,
            total=table,
            reward=table,
            discount=table,
        )

    def _prior(self, logits: Array, state: Any) -> Array:
        legal = self.environment.legal_actions(state)
        masked = jax.nn.softmax(jnp.where(legal, logits, -1e9))
        return jnp.where(legal, masked + 1e-6, 0.0)


def learn_from_self_play(episodes: Any, gamma: float) -> tuple[Any, Array, Array]:
    """Targets of AlphaZero's loss from self-play trajectories [T, N]: (observation, pi, z).

    z is the outcome for the mover: the discounted rewards to go, signs multiplied.
    """
    visits = episodes.extras.planner.visits
    discount = gamma * episodes.discount

    def back(ahead: Array, step: Any) -> tuple[Array, Array]:
        reward, discount, terminated = step
        now = reward + jnp.where(terminated, 0.0, discount * ahead)
        return now, now

    reward = jnp.where(episodes.valid, episodes.reward, 0.0)
    steps = (reward, discount, episodes.terminated)
    _, outcome = jax.lax.scan(back, jnp.zeros(reward.shape[1]), steps, reverse=True)
    observation: FullState = episodes.observation
    return (
        observation.observation,
        visits / jnp.maximum(visits.sum(axis=-1, keepdims=True), 1.0),
        outcome,
    )
