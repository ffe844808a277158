"""From the returns of a population to the weights of its scores."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array

from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.estimators.expectation.smoothed_score import centred_ranks

Shaping = Literal["ranks", "standardized", "returns"]
SHAPINGS = ("ranks", "standardized", "returns")


def check_population(owner: str, population_size: int, *, mirrored: bool) -> None:
    """Raises for a population below 2, and for an odd one of mirrored pairs."""
    check_number(owner, "population_size", population_size, at_least=2, integer=True)
    if mirrored and population_size % 2:
        raise UpslopeError(
            f"{owner} got population_size={population_size}: mirrored candidates come in pairs. "
            f"Use {population_size - 1 if population_size > 2 else 2} or {population_size + 1}."
        )


def check_shaping(owner: str, shaping: str) -> None:
    """Raises unless `shaping` is one of `SHAPINGS`."""
    check_choice(owner, "shaping", shaping, SHAPINGS)


def shaped(returns: Array, shaping: str) -> Array:
    """Finite returns [P] as credit [P].

    `"ranks"` are centred ranks, where equal returns share the mean of their ranks, so that a flat
    objective has no gradient; `"standardized"` have mean 0 and spread 1 (0 if all are equal).
    """
    if shaping == "ranks":
        return 0.5 * (centred_ranks(returns) - centred_ranks(-returns))
    if shaping == "standardized":
        centred = returns - jnp.mean(returns)
        spread = jnp.std(returns)
        rounding = 100 * jnp.finfo(spread.dtype).eps * jnp.max(jnp.abs(returns))
        return jnp.where(spread > rounding, centred / (spread + 1e-30), 0.0)
    return returns


def is_flat(returns: Array) -> Array:
    """1 where all returns [P] are equal (or none is finite): nothing is to be learned; else 0."""
    return (jnp.max(returns) == jnp.min(returns)).astype(int)


def mirror(noise: Array) -> Array:
    """Noise [N, D] and its opposite, [2 N, D]."""
    return jnp.concatenate([noise, -noise])
