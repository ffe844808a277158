"""Sums of weighted scores along trajectories: what nearly every estimate of grad J is made of."""

from __future__ import annotations

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Action, Memory, Observation
from upslope.core.distributions.distribution import Distribution
from upslope.core.records import Trajectories
from upslope.estimators.expectation.blockwise import blockwise_sum
from upslope.estimators.expectation.score_function import surrogate
from upslope.estimators.gradient_estimator import Estimate
from upslope.policies.policy import Policy
from upslope.policies.unroll import unroll

Columns = TypeVar("Columns")
# Of half of the episodes: their steps, w and c of `weighted_scores`.
Weighted = tuple[Trajectories, Array, Array | None]


def weighted_scores(
    policy: Policy,
    episodes: Trajectories,
    weight: Array,
    advantage: Array,
    action_weight: Array | None = None,
    *,
    half_batch_gradients: bool = False,
) -> Estimate:
    r"""The estimate that weighs the score of every step.

    .. math:: \hat g = \sum_{t,n} w_{tn} \nabla \log \pi(a_{tn} \mid s_{tn})
                       + \sum_{t,n} \sum_a c_{tna} \nabla \pi(a \mid s_{tn})

    Args:
      policy: pi, memoryless or with memory.
      episodes: leaves [T, N, ...]. Steps that are not valid count for nothing.
      weight: w [T, N], a constant: no gradient flows into it.
      advantage: [T, N], whose spread is reported.
      action_weight: c [T, N, A], likewise; None for zero. The actions are 0..A-1 then.
      half_batch_gradients: also the estimates of the two halves of the episodes, at no cost but
        memory. N must be even.
    """
    sums = whole_gradient if policy.has_memory else rowwise_gradient
    apart = None
    if half_batch_gradients:
        steps = without_extras(episodes)._replace(memory=())
        parts = in_halves((steps, weight, action_weight))
        memories = jax.tree.map(lambda leaf: leaf.reshape(2, -1, *leaf.shape[1:]), episodes.memory)

        def half(part: tuple[Weighted, Memory]) -> tuple[Policy, Array]:
            (episodes, weight, action_weight), memory = part
            return sums(policy, episodes._replace(memory=memory), weight, action_weight)

        summed, entropies = jax.lax.map(half, (parts, memories))
        gradient, entropy = jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), (summed, entropies))
        apart = jax.tree.map(lambda leaf: 2 * leaf, summed)
    else:
        gradient, entropy = sums(policy, episodes, weight, action_weight)
    steps = jnp.maximum(jnp.sum(episodes.valid), 1)
    return Estimate(
        gradient, entropy / steps, spread(advantage, episodes.valid), half_batch_gradients=apart
    )


def without_extras(episodes: Trajectories) -> Trajectories:
    """The episodes without what no score needs and what has not the axes [T, N]."""
    return episodes._replace(extras=(), discount=None, restarted=None)


def in_halves(columns: Columns) -> Columns:
    """Leaves [T, N, ...] as [2, T, N / 2, ...]: the first half of the columns and the second."""

    def cut(leaf: Array) -> Array:
        steps, size = leaf.shape[:2]
        return jnp.moveaxis(leaf.reshape(steps, 2, size // 2, *leaf.shape[2:]), 1, 0)

    return jax.tree.map(cut, columns)


def spread(advantage: Array, valid: Array) -> Array:
    """The standard deviation of the advantages over the valid steps, a scalar."""
    steps = jnp.maximum(jnp.sum(valid), 1)
    mean = jnp.sum(jnp.where(valid, advantage, 0.0)) / steps
    return jnp.sqrt(jnp.sum(jnp.where(valid, jnp.square(advantage - mean), 0.0)) / steps)


def log_probs(policy: Policy, episodes: Trajectories) -> Array:
    """log pi of the actions taken, [T, N], a function of the policy; zero where not valid."""
    ended = episodes.terminated | episodes.truncated
    distribution, _ = unroll(policy, episodes.observation, ended, episodes.memory)
    log_prob = jax.vmap(jax.vmap(lambda d, a: d.log_prob(a)))(distribution, episodes.action)
    return jnp.where(episodes.valid, log_prob, 0.0)


def mean_entropy(policy: Policy, episodes: Trajectories) -> Array:
    """The mean entropy of the action over the valid steps, a scalar, nats."""
    ended = episodes.terminated | episodes.truncated
    distribution, _ = unroll(policy, episodes.observation, ended, episodes.memory)
    entropy = jax.vmap(jax.vmap(lambda d: d.entropy()))(distribution)
    steps = jnp.maximum(jnp.sum(episodes.valid), 1)
    return jnp.sum(jnp.where(episodes.valid, entropy, 0.0)) / steps


def all_log_probs(distribution: Distribution, n_actions: int) -> Array:
    """log pi of the actions 0..A-1, [A], for one distribution over them."""
    return jax.vmap(distribution.log_prob)(jnp.arange(n_actions))


def action_surrogate(distribution: Distribution, action_weight: Array) -> Array:
    r"""A scalar with the gradient :math:`\sum_a c_a \nabla \pi(a)`, for one distribution."""
    log_prob = all_log_probs(distribution, action_weight.shape[0])
    return surrogate(log_prob, jnp.exp(jax.lax.stop_gradient(log_prob)) * action_weight)


def whole_gradient(
    policy: Policy, episodes: Trajectories, weight: Array, action_weight: Array | None = None
) -> tuple[Policy, Array]:
    r"""The weighted sum of scores and the summed entropy, in one pass.

    Works for every policy, those with memory too (the gradient flows through the memory); its
    cost follows the padded length of the batch.
    """
    valid = episodes.valid

    def objective(policy: Policy) -> tuple[Array, Array]:
        ended = episodes.terminated | episodes.truncated
        distribution, _ = unroll(policy, episodes.observation, ended, episodes.memory)
        log_prob = jax.vmap(jax.vmap(lambda d, a: d.log_prob(a)))(distribution, episodes.action)
        entropy = jax.vmap(jax.vmap(lambda d: d.entropy()))(distribution)
        seen = jnp.sum(jnp.where(valid, entropy, 0.0))
        total = surrogate(log_prob, jnp.where(valid, weight, 0.0))
        if action_weight is not None:
            masked = jnp.where(valid[..., None], action_weight, 0.0)
            total = total + jnp.sum(jax.vmap(jax.vmap(action_surrogate))(distribution, masked))
        return total, seen

    return jax.grad(objective, has_aux=True)(policy)


def rowwise_gradient(
    policy: Policy, episodes: Trajectories, weight: Array, action_weight: Array | None = None
) -> tuple[Policy, Array]:
    """The same sums for a memoryless policy, at a cost that follows the steps really taken."""
    rows = jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:]),
        (episodes.observation, episodes.action, weight, action_weight),
    )

    def block(
        rows: tuple[Observation, Action, Array, Array | None], valid: Array
    ) -> tuple[Policy, Array]:
        observation, action, weight, action_weight = rows

        def objective(policy: Policy) -> tuple[Array, Array]:
            distribution = jax.vmap(policy)(observation)
            log_prob = jax.vmap(lambda d, a: d.log_prob(a))(distribution, action)
            entropy = jax.vmap(lambda d: d.entropy())(distribution)
            seen = jnp.sum(jnp.where(valid, entropy, 0.0))
            total = surrogate(log_prob, jnp.where(valid, weight, 0.0))
            if action_weight is not None:
                masked = jnp.where(valid[:, None], action_weight, 0.0)
                total = total + jnp.sum(jax.vmap(action_surrogate)(distribution, masked))
            return total, seen

        return jax.grad(objective, has_aux=True)(policy)

    return blockwise_sum(block, rows, episodes.valid.reshape(-1))
