"""Small finite MDPs with policies, in double precision, and what enumeration says of them."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.distributions import Categorical
from upslope.environments import FiniteMDP
from upslope.policies import TabularSoftmax


class StateLogits(eqx.Module):
    """A softmax over logits linear in given features: the same parameters in all states."""

    theta: Array  # [D]
    features: Array  # [S, A, D]

    def __call__(self, state: Array) -> Categorical:
        return Categorical(jax.lax.stop_gradient(self.features)[state] @ self.theta)


def random_mdp(seed: int, n_states: int = 4, n_actions: int = 3, unit: bool = False) -> FiniteMDP:
    """Dense rows, so that every chain is ergodic; rewards normal, or uniform in [0, 1]."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(n_states), (n_states, n_actions))
    reward = rng.random((n_states, n_actions)) if unit else rng.normal(size=(n_states, n_actions))
    initial = rng.dirichlet(np.ones(n_states))
    return FiniteMDP(transition, reward, initial, np.zeros(n_states, bool))


def ending_mdp(seed: int, n_states: int = 4, n_actions: int = 3) -> FiniteMDP:
    """The same with the last state terminal."""
    mdp = random_mdp(seed, n_states, n_actions)
    initial = np.append(np.full(n_states - 1, 1 / (n_states - 1)), 0.0)
    return FiniteMDP(mdp.transition, mdp.reward, initial, np.arange(n_states) == n_states - 1)


def bandit(rewards: Any) -> FiniteMDP:
    """Contexts [C, A], drawn uniformly, each followed by the end."""
    rewards = np.atleast_2d(rewards)
    contexts, n_actions = rewards.shape
    transition = np.zeros((contexts + 1, n_actions, contexts + 1))
    transition[:, :, -1] = 1.0
    reward = np.vstack([rewards, np.zeros(n_actions)])
    initial = np.append(np.full(contexts, 1 / contexts), 0.0)
    return FiniteMDP(transition, reward, initial)


def random_policy(seed: int, n_states: int = 4, n_actions: int = 3) -> TabularSoftmax:
    """Normal logits."""
    return TabularSoftmax(
        jnp.asarray(np.random.default_rng(seed).normal(size=(n_states, n_actions)))
    )


def random_table(seed: int, n_states: int = 4, n_actions: int = 3) -> np.ndarray:
    """Probabilities of the actions, [S, A]."""
    return np.random.default_rng(seed).dirichlet(np.ones(n_actions), n_states)


def gap(found: Any, exact: Any) -> float:
    """The relative distance of two trees of numbers."""
    a = np.concatenate([np.ravel(x) for x in jax.tree.leaves(found)])
    b = np.concatenate([np.ravel(x) for x in jax.tree.leaves(exact)])
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


class Paths:
    """All sequences of H states and actions, N = (S A)^H of them."""

    def __init__(self, mdp: FiniteMDP, horizon: int):
        pairs = list(itertools.product(range(mdp.n_states), range(mdp.n_actions)))
        chosen = np.array(list(itertools.product(pairs, repeat=horizon)))
        self.state, self.action = chosen[..., 0], chosen[..., 1]  # [N, H]
        self.mdp = mdp

    def log_scores(self, logits: Array) -> Array:
        """The log-probabilities of the actions, [N, H]."""
        return jax.nn.log_softmax(logits, axis=1)[self.state, self.action]

    def probability(self, logits: Array) -> Array:
        """P(tau; theta) [N]."""
        s, a, mdp = self.state, self.action, self.mdp
        moves = jnp.prod(mdp.transition[s[:, :-1], a[:, :-1], s[:, 1:]], axis=1)
        return mdp.initial[s[:, 0]] * moves * jnp.exp(jnp.sum(self.log_scores(logits), axis=1))

    def rewards(self) -> Array:
        """[N, H]."""
        return self.mdp.reward[self.state, self.action]


def central_differences(function: Any, theta: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of a scalar function of an array."""
    theta = np.asarray(theta, float)
    slope = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):
        shift = np.zeros_like(theta)
        shift[index] = step
        slope[index] = (float(function(theta + shift)) - float(function(theta - shift))) / (
            2 * step
        )
    return slope


def kakade_plateau() -> tuple[FiniteMDP, StateLogits]:
    """Two states, stay or cross; staying earns 1 in the first and 2 in the second."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[1, 0, 1] = transition[0, 1, 1] = transition[1, 1, 0] = 1.0
    mdp = FiniteMDP(transition, [[1.0, 0.0], [2.0, 0.0]], [0.5, 0.5], [False, False])
    features = np.zeros((2, 2, 2))
    features[0, 0, 0] = features[1, 0, 1] = 1.0
    start = np.log([0.8 / 0.2, 0.1 / 0.9])
    return mdp, StateLogits(jnp.asarray(start), jnp.asarray(features))


def baxter_bartlett() -> tuple[FiniteMDP, StateLogits]:
    """The three states of Baxter, Bartlett and Weaver: the reward is 1 for arriving in C."""
    first = [[0, 0.8, 0.2], [0.8, 0, 0.2], [0, 0.8, 0.2]]
    second = [[0, 0.2, 0.8], [0.2, 0, 0.8], [0, 0.2, 0.8]]
    transition = np.stack([first, second], axis=1)
    reward = np.zeros((3, 2, 3))
    reward[:, :, 2] = 1.0
    mdp = FiniteMDP(transition, reward, [1.0, 0.0, 0.0], np.zeros(3, bool))
    phi = np.array([[12.0, 6.0], [6.0, 12.0], [5.0, 5.0]]) / 18
    features = np.zeros((3, 2, 4))
    features[:, 0, :2] = features[:, 1, 2:] = phi
    return mdp, StateLogits(jnp.asarray([1.0, 1.0, -1.0, -1.0]), jnp.asarray(features))
