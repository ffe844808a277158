"""PPO's objective on one minibatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.annotations import Memory
from upslope.policies.policy import Policy, ValueFunction
from upslope.policies.unroll import unroll
from upslope.search.gradient.on_policy_batch import OnPolicyBatch

Models = tuple[Policy, ValueFunction | None]


class Losses(NamedTuple):
    """Means over one minibatch, scalars."""

    policy: Array
    value: Array
    entropy: Array
    approx_kl: Array
    clip_fraction: Array
    gradient_norm: Array


def policy_surrogate(log_ratio: Array, advantage: Array, clip_range: float | Array) -> Array:
    r"""The clipped surrogate of every step, to be maximised.

    .. math:: \min(\rho A, \operatorname{clip}(\rho, 1 - \epsilon, 1 + \epsilon) A),
              \quad \rho = e^{\text{log ratio}}

    Its gradient is zero exactly where the ratio is clipped and the advantage pushes it further
    out. The log ratio is bounded by +-20, so that an absurd one cannot overflow.

    References:
      Schulman et al. (2017), equation 7.
    """
    ratio = jnp.exp(jnp.clip(log_ratio, -20.0, 20.0))
    clipped = jnp.clip(ratio, 1.0 - clip_range, 1.0 + clip_range)
    return jnp.minimum(ratio * advantage, clipped * advantage)


def standardized(advantage: Array, valid: Array, weight: Array) -> Array:
    """Advantages with mean 0 and spread 1 over the valid rows; zero where they are all equal.

    Equal advantages say nothing: their rounding errors are not blown up to unit scale.

    Args:
      advantage: any shape.
      valid: booleans of that shape.
      weight: valid / number of valid.
    """
    centre = jnp.sum(jnp.where(valid, advantage, 0.0) * weight)
    spread = jnp.where(valid, jnp.square(advantage - centre), 0.0) * weight
    deviation = jnp.sqrt(jnp.sum(spread))
    rounding = 100 * jnp.finfo(deviation.dtype).eps * jnp.abs(centre)
    scaled = (advantage - centre) / (deviation + 1e-8)
    return jnp.where(deviation > rounding, scaled, 0.0)


def clipped_surrogate(
    clip_range: float | Array,
    clip_range_vf: float | Array | None,
    ent_coef: float | Array,
    vf_coef: float | Array,
    *,
    normalize_advantage: bool,
) -> Callable[[Models, OnPolicyBatch, tuple[Memory, ...]], tuple[Array, Losses]]:
    """The function to ascend: `(models, batch, memories) -> (objective, Losses)`.

    `models` is the pair (policy, value function); with None for the value function the values are
    those in the batch, from before the update. With memory, `batch` holds whole streams [T, N, ...]
    and `memories` those of policy and value function before the first step; else rows [B, ...].
    """

    def objective(
        models: Models, batch: OnPolicyBatch, memories: tuple[Memory, ...]
    ) -> tuple[Array, Losses]:
        policy, critic = models
        value = batch.value
        if policy.has_memory:
            distribution, _ = unroll(policy, batch.observation, batch.ended, memories[0])
            if critic is not None:
                value, _ = unroll(critic, batch.seen, batch.ended, memories[1])
            each = lambda f: jax.vmap(jax.vmap(f))  # noqa: E731
        elif critic is not None and critic.reads_features:
            features = jax.vmap(policy.extract_features)(batch.observation)
            distribution = jax.vmap(policy.from_features)(features, batch.observation)
            value = jax.vmap(critic)(features)
            each = jax.vmap
        else:
            distribution = jax.vmap(policy)(batch.observation)
            if critic is not None:
                value = jax.vmap(critic)(batch.seen)
            each = jax.vmap
        log_prob = each(lambda d, a: d.log_prob(a))(distribution, batch.action)
        entropy = each(lambda d: d.entropy())(distribution)
        weight = batch.valid / jnp.maximum(jnp.sum(batch.valid), 1)

        advantage = batch.advantage
        if normalize_advantage:
            advantage = standardized(advantage, batch.valid, weight)
        log_ratio = log_prob - batch.log_prob
        error = jnp.square(value - batch.target)
        if clip_range_vf is not None:
            near = batch.value + jnp.clip(value - batch.value, -clip_range_vf, clip_range_vf)
            error = jnp.maximum(error, jnp.square(near - batch.target))
        ratio = jnp.exp(jnp.clip(jax.lax.stop_gradient(log_ratio), -20.0, 20.0))
        rows = [
            policy_surrogate(log_ratio, advantage, clip_range),
            error,
            entropy,
            # Non-negative and of low variance; a diagnostic, never differentiated.
            (ratio - 1.0) - jax.lax.stop_gradient(log_ratio),
            (jnp.abs(ratio - 1.0) > clip_range).astype(ratio.dtype),
        ]
        # All means in one product: five small reductions would cost as much as a layer.
        table = jnp.stack([jnp.where(batch.valid, row, 0.0).reshape(-1) for row in rows])
        gain, value_loss, surprise, approx_kl, clip_fraction = table @ weight.reshape(-1)
        losses = Losses(
            policy=-gain,
            value=value_loss,
            entropy=surprise,
            approx_kl=approx_kl,
            clip_fraction=clip_fraction,
            gradient_norm=jnp.zeros(()),
        )
        return gain - vf_coef * value_loss + ent_coef * surprise, jax.lax.stop_gradient(losses)

    return objective
