"""What an action value is moved towards: returns of n steps, and a bootstrap."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.distributions.categorical import Categorical
from upslope.core.records import Trajectories


class NStepReturn(NamedTuple):
    """The first n steps of a window, summed up; leaves [M]."""

    returns: Array  # sum_k (prod_{j<k} gamma d_j) r_k
    discount: Array  # of the value after them: prod gamma d_j; 0 after a termination
    observation: Any  # after them, [M, ...]


def n_step_returns(windows: Trajectories, gamma: float | Array) -> NStepReturn:
    r"""Returns of windows [L, M] that end with their episode at the latest.

    .. math:: G = \sum_{k=0}^{n-1} \Big(\prod_{j<k} \gamma d_j\Big) r_k, \qquad
              y = G + \Big(\prod_{j<n} \gamma d_j\Big) \max_a q(s_n, a)

    n is the number of valid steps: L, or fewer where the episode ended before. d is the
    environment's own discount (1 where it has none). A terminated episode has no value after it; a
    truncated one has that of its true successor.

    References:
      Sutton and Barto (2018), equation 7.1; Hessel et al. (2018), section 3.
    """
    valid = windows.valid
    step_discount = gamma * (
        jnp.ones_like(windows.reward) if windows.discount is None else windows.discount
    )
    kept = jnp.where(valid, step_discount, 1.0)
    # The discount before each step: 1, gamma d_0, gamma^2 d_0 d_1, ...
    through = jnp.cumprod(kept, axis=0)
    before = jnp.concatenate([jnp.ones_like(through[:1]), through[:-1]])
    returns = jnp.sum(jnp.where(valid, before * windows.reward, 0.0), axis=0)
    terminated = jnp.any(windows.terminated & valid, axis=0)
    last = jnp.maximum(jnp.sum(valid, axis=0) - 1, 0)  # [M]
    columns = jnp.arange(last.shape[0])
    observation = jax.tree.map(lambda leaf: leaf[last, columns], windows.next_observation)
    return NStepReturn(returns, jnp.where(terminated, 0.0, through[-1]), observation)


def masked_values(preferences: Categorical) -> Array:
    """Action values [..., A], -inf where the action is not allowed."""
    values = preferences.logits
    return values if preferences.mask is None else jnp.where(preferences.mask, values, -jnp.inf)


def bootstrap_values(target: Categorical, online: Categorical | None = None) -> Array:
    r"""max_a q'(s, a), or with an online network the double estimate q'(s, argmax_a q(s, a)).

    References:
      Van Hasselt, Guez and Silver (2016), equation 4.
    """
    values = masked_values(target)
    if online is None:
        return jnp.max(values, axis=-1)
    chosen = jnp.argmax(masked_values(online), axis=-1)
    return jnp.take_along_axis(values, chosen[..., None], axis=-1)[..., 0]


def huber(error: Array) -> Array:
    """Half the square within 1 of zero, linear beyond; elementwise."""
    size = jnp.abs(error)
    return jnp.where(size <= 1.0, 0.5 * jnp.square(error), size - 0.5)
