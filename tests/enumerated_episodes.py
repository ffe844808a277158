"""All episodes that a small finite MDP can produce, so that expectations are finite sums."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.records import Trajectories


def all_episodes(mdp, horizon: int) -> tuple[Trajectories, np.ndarray]:
    """Every episode of at most `horizon` steps, as K batches of one: leaves [K, T, 1].

    Returns:
      The episodes, and the part of their probabilities [K] that does not depend on the policy.
    """
    transition, reward, initial = (
        np.asarray(x, np.float64) for x in (mdp.transition, mdp.reward, mdp.initial)
    )
    terminal = np.asarray(mdp.terminal)
    found = []

    def grow(state, steps, probability):
        if len(steps) == horizon or terminal[state]:
            found.append((steps, probability))
            return
        for action in range(reward.shape[1]):
            for after in np.flatnonzero(transition[state, action]):
                step = (state, action, reward[state, action], after)
                grow(after, [*steps, step], probability * transition[state, action, after])

    for state in np.flatnonzero(initial):
        grow(state, [], initial[state])
    shape = (len(found), horizon, 1)
    kinds = (int, int, float, int, bool, bool, bool)
    observation, action, gain, after, terminated, truncated, valid = (
        np.zeros(shape, kind) for kind in kinds
    )
    for k, (steps, _) in enumerate(found):
        for t, step in enumerate(steps):
            observation[k, t], action[k, t], gain[k, t], after[k, t] = step
            valid[k, t] = True
        end = len(steps) - 1
        terminated[k, end] = terminal[steps[-1][3]]
        truncated[k, end] = not terminated[k, end, 0]
    arrays = (observation, action, gain, after, terminated, truncated, valid)
    return Trajectories(*(jnp.asarray(x) for x in arrays)), np.array([p for _, p in found])


def probabilities(policy, episodes: Trajectories, dynamics: np.ndarray):
    """P(tau; theta) of every episode, [K], differentiable in the policy."""
    each = jax.vmap(jax.vmap(lambda o, a: policy(o).log_prob(a)))
    log_prob = each(episodes.observation[..., 0], episodes.action[..., 0])
    taken = jnp.where(episodes.valid[..., 0], log_prob, 0.0)
    return dynamics * jnp.exp(jnp.sum(taken, axis=1))


def expectation(estimate, policy, episodes: Trajectories, dynamics: np.ndarray):
    """E over the episodes of `policy` of `estimate(one batch of one episode)`, a tree."""
    weight = jax.lax.stop_gradient(probabilities(policy, episodes, dynamics))
    values = jax.jit(jax.vmap(estimate))(episodes)
    return jax.tree.map(lambda leaf: jnp.tensordot(weight, leaf, 1), values)


def the_same(episode: Trajectories) -> Trajectories:
    """No change."""
    return episode


@eqx.filter_jit
def expected_gradient(
    estimator, policy, objective, episodes, dynamics, *, behaviour=None, change=the_same
):
    """E over the episodes of `behaviour`, if not of `policy`, of the estimate of grad J, [S, A].

    One program for all critics, episodes and policies of the same shapes; `change` is done to each
    episode before the estimator sees it.
    """

    def one(episode):
        return estimator.estimate(policy, change(episode), objective).gradient.logits

    return expectation(one, policy if behaviour is None else behaviour, episodes, dynamics)


@eqx.filter_jit
def likelihood_gradient(logits, policy_of, episodes, dynamics, returns):
    """grad_theta sum_tau P(tau; theta) R(tau) of `policy_of(logits)`, [S, A]."""

    def j(logits):
        return jnp.sum(probabilities(policy_of(logits), episodes, dynamics) * returns)

    return jax.grad(j)(logits)
