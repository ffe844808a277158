"""How much chance there is in the moves of self-play."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int


def temperature_at(
    move: Int[Array, ""],
    temperature: float | Array,
    temperature_moves: float | Array,
    final_temperature: float | Array,
) -> Float[Array, ""]:
    """The temperature of a move: one for the first moves of a game, another for all later ones.

    Games are to differ at their beginning; later a move that the search would not play says less of
    the position than it costs.

    Args:
      move: how many moves of the game have been made before, both players' counted.
      temperature: of the first moves.
      temperature_moves: how many these are.
      final_temperature: of all others.

    References:
      Silver et al. (2017), "Mastering the Game of Go without Human Knowledge", methods: 1 for the
      first 30 moves, then towards 0.
    """
    first = jnp.asarray(temperature, float)
    return jnp.where(move < temperature_moves, first, final_temperature)
