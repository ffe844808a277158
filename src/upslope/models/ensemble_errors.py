"""How far the predictions of an ensemble are off, on steps that it has not learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr
from jaxtyping import Bool, Float

from upslope.core.moments import Moments
from upslope.core.records import Transitions
from upslope.models.outcomes import known_reward
from upslope.models.scales import Scale

if TYPE_CHECKING:
    from upslope.models.ensemble import EnsembleModel


class Errors(NamedTuple):
    """Of one step."""

    model: Float[Array, ""]  # root mean square of changes, in their standard deviations
    reward: Float[Array, ""]  # likewise of rewards
    coverage: Float[Array, ""]  # share of the changes inside the 90 % intervals
    probabilities: Float[Array, "N D"]  # F(change) under the mixture of all members
    varies: Bool[Array, " D"]  # components that are not constant


def foreseen(model: EnsembleModel, rows: Transitions, targets: Moments, rewards: Moments) -> Errors:
    """The errors of the mean of all members.

    Args:
      model: which has not learnt from these rows.
      rows: steps; those of weight 0 do not count.
      targets: moments of all targets, for the unit.
      rewards: moments of all rewards, likewise.
    """
    size = model.spaces.n_observed
    found, unit, valid = model.predictions(rows), Scale.of(targets), rows.weight > 0
    true, scale = model.targets(rows), model.scales.targets
    spread = unit.std[:size]
    varies = spread > 0
    mean = scale.restore(jnp.mean(found.mean, axis=0))
    off = (mean - true)[:, :size] / jnp.where(varies, spread, 1.0)[None]
    counted = valid[:, None] & varies[None]

    deviation = jnp.exp(0.5 * found.log_variance)[..., :size]
    ahead = scale.normalize(true)[None, :, :size] - found.mean[..., :size]
    probabilities = jnp.mean(ndtr(ahead / deviation), axis=0)
    inside = jnp.abs(probabilities - 0.5) <= 0.45

    if model.reward is None:
        reward = mean[:, size]
    else:
        function = model.reward
        reward = jax.vmap(lambda o, a, following: known_reward(function, o, a, following))(
            rows.observation, rows.action, rows.next_observation
        )
    wide = Scale.of(rewards).std
    wrong = (reward - rows.reward) / jnp.where(wide > 0, wide, 1.0)
    return Errors(
        model=jnp.sqrt(_mean(jnp.square(off), counted)),
        reward=jnp.sqrt(_mean(jnp.square(wrong), valid)),
        coverage=_mean(inside.astype(off.dtype), counted),
        probabilities=probabilities,
        varies=varies,
    )


def _mean(values: Array, counted: Array) -> Array:
    """The mean over what counts; NaN of nothing."""
    kept = jnp.where(counted, values, 0.0)
    return jnp.sum(kept) / jnp.sum(counted.astype(values.dtype))
