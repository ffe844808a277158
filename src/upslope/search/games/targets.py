"""What a value is moved towards: the outcome of the game, or what the search made of it."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float


def value_targets(
    reward: Float[Array, "L M"],
    discount: Float[Array, "L M"] | None,
    terminated: Bool[Array, "L M"],
    valid: Bool[Array, "L M"],
    root_value: Float[Array, "L M"],
    gamma: float | Array = 1.0,
    mix: float | Array = 1.0,
) -> Float[Array, " M"]:
    r"""The target z of the first position of windows [L, M], from the side of who is to move there.

    .. math:: z_t = r_t + \gamma d_t \big( (1 - \lambda) v_{t+1} + \lambda z_{t+1} \big)

    with d the environment's own discount, -1 after a move of a game of two players: the value after
    it is the opponent's. A game that ends in the window ends the sum, and with lambda = 1 the
    target is its outcome; a draw is 0. Where the window or a time limit ends before the game does,
    nothing is known of the outcome: the last position counts with the value v that the search gave
    it, and not as a draw.

    Args:
      reward: r, [L, M].
      discount: d, [L, M]; None for 1 everywhere.
      terminated: whether the game ended by its rules with this step, [L, M].
      valid: False behind the end of the game, [L, M].
      root_value: v, the search's value of each position, [L, M].
      gamma: the objective's discount.
      mix: lambda. 1: outcomes alone; 0: the search's value of the next position alone.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge", methods, with
      lambda = 1; Sutton and Barto (2018), equation 12.2, for the mix.
    """
    length = reward.shape[0]
    through = gamma * (jnp.ones_like(reward) if discount is None else discount)
    last = jnp.arange(length)[:, None] == jnp.sum(valid, axis=0)[None] - 1
    ended = jnp.any(terminated & valid, axis=0)[None]
    # What a position adds by itself: its reward and a share of the next value, or all its value.
    following = jnp.where(last, 0.0, through * (1.0 - mix) * jnp.roll(root_value, -1, axis=0))
    own = jnp.where(last & ~ended, root_value, reward + following)
    weight = jnp.cumprod(jnp.where(valid, mix * through, 1.0), axis=0)
    before = jnp.concatenate([jnp.ones_like(weight[:1]), weight[:-1]])
    return jnp.sum(jnp.where(valid, before * own, 0.0), axis=0)
