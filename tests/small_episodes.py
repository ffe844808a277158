"""Many small batches of episodes, sampled once for all tests, and the exact gradients beside them.

A batch has EPISODES episodes of at most HORIZON steps. |z| < 4.5 in each coordinate is asked for,
at a standard error below 2 % of |g|: with 8 coordinates a test, a false alarm at a fresh seed has a
chance below 1e-4 a test. The seeds are fixed.
"""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from exact_reference import exact_gradient
from small_policies import Table
from upslope.environments.tabular.finite_mdp import FiniteMDP
from upslope.exact import episodic_values
from upslope.objectives import AverageReward, DiscountedReturn, EpisodicReturn
from upslope.sampling.episodes import sample_episodes

HORIZON, EPISODES, BATCHES = 4, 8, 25_000
GAMMA = 0.6
LOGITS = np.array([[0.3, -0.2], [-0.5, 0.4], [0.1, 0.0], [0.0, 0.0]])
OTHER_LOGITS = np.array([[0.0, 0.1], [0.1, 0.2], [-0.2, 0.2], [0.0, 0.0]])


def ending_mdp() -> FiniteMDP:
    """Three states and a terminal one: episodes of different lengths."""
    transition = np.zeros((4, 2, 4))
    transition[0] = [[0.1, 0.6, 0.2, 0.1], [0.5, 0.0, 0.5, 0.0]]
    transition[1] = [[0.0, 0.3, 0.3, 0.4], [0.7, 0.2, 0.1, 0.0]]
    transition[2] = [[0.4, 0.4, 0.2, 0.0], [0.1, 0.2, 0.3, 0.4]]
    transition[3, :, 3] = 1.0
    reward = np.array([[1.0, 0.0], [-1.0, 2.0], [0.5, 3.0], [0.0, 0.0]])
    return FiniteMDP(transition, reward, np.array([0.5, 0.3, 0.2, 0.0]), time_limit=HORIZON)


def endless_mdp() -> FiniteMDP:
    """The same without a terminal state: every episode has the full length."""
    mdp = ending_mdp()
    transition = np.array(mdp.transition)
    transition[3, :, 3], transition[3, :, 0] = 0.5, 0.5
    reward = np.array(mdp.reward)
    reward[3] = [1.0, -1.0]
    return FiniteMDP(transition, reward, np.array(mdp.initial), time_limit=HORIZON)


MDPS = {"ending": ending_mdp(), "endless": endless_mdp()}
POLICY = Table(jnp.asarray(LOGITS, jnp.float32))
OTHER = Table(jnp.asarray(OTHER_LOGITS, jnp.float32))  # a behaviour not far from POLICY
OBJECTIVES = {
    "episodic": EpisodicReturn(),
    "discounted": DiscountedReturn(GAMMA),
    "average": AverageReward(),
}


@functools.cache
def sampled(mdp: str, off_policy: bool = False):
    """BATCHES batches of EPISODES episodes, leaves [B, T, N]."""
    policy = OTHER if off_policy else POLICY
    sample = jax.jit(
        jax.vmap(lambda key: sample_episodes(key, MDPS[mdp], policy, EPISODES, HORIZON)[0])
    )
    return sample(jax.random.split(jax.random.key(1), BATCHES))


def batch(mdp: str, off_policy: bool = False):
    """The first batch alone, leaves [T, N]."""
    return jax.tree.map(lambda leaf: leaf[0], sampled(mdp, off_policy))


def gradients(estimate, mdp: str = "ending", off_policy: bool = False) -> np.ndarray:
    """`estimate(episodes) -> Estimate` on every batch: [B, S, A]."""
    one = jax.jit(jax.vmap(lambda episodes: estimate(episodes).gradient.logits))
    return np.asarray(one(sampled(mdp, off_policy)))


@eqx.filter_jit
def estimate(estimator, policy, episodes, objective):
    """`estimator.estimate`, compiled for the sizes and the kinds of its arguments."""
    return estimator.estimate(policy, episodes, objective)


@eqx.filter_jit
def _each(estimator, policy, batches, objective):
    one = jax.vmap(lambda episodes: estimator.estimate(policy, episodes, objective).gradient.logits)
    return one(batches)


def estimates(estimator, objective, mdp: str = "ending", off_policy: bool = False) -> np.ndarray:
    """The gradient that an estimator makes of every batch: [B, S, A].

    One program for all estimators of a kind, whatever their numbers.
    """
    return np.asarray(_each(estimator, POLICY, sampled(mdp, off_policy), objective))


@functools.cache
def exact(mdp: str, objective: str) -> np.ndarray:
    """grad J of POLICY when HORIZON steps are counted, [S, A]."""
    gamma = GAMMA if objective == "discounted" else 1.0
    gradient = exact_gradient(POLICY.logits, MDPS[mdp], HORIZON, gamma)[1]
    return gradient / HORIZON if objective == "average" else gradient


@functools.cache
def exact_values(mdp: str, objective: str):
    """V_h, Q_h of POLICY when HORIZON steps are counted: leaves [H, S], [H, S, A]."""
    gamma = GAMMA if objective == "discounted" else 1.0
    return episodic_values(POLICY, MDPS[mdp], HORIZON, gamma)
