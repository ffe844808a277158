"""Fitting a value function to credit seen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.annotations import Memory, Observation
from upslope.policies.policy import ValueFunction
from upslope.policies.unroll import unroll
from upslope.search.gradient.optimizer import ascend


def explained_variance(value: Array, target: Array, valid: Array) -> Array:
    r"""1 - Var[target - value] / Var[target] over the valid steps, a scalar.

    1 is a perfect prediction, 0 no better than a constant, negative worse than that.
    """
    steps = jnp.maximum(jnp.sum(valid), 1)

    def variance(x: Array) -> Array:
        mean = jnp.sum(jnp.where(valid, x, 0.0)) / steps
        return jnp.sum(jnp.where(valid, jnp.square(x - mean), 0.0)) / steps

    total = variance(target)
    ratio = 1.0 - variance(target - value) / jnp.where(total > 0, total, 1.0)
    return jnp.where(total > 0, ratio, jnp.nan)


def fit_values(
    critic: ValueFunction,
    optimizer: optax.OptState,
    seen: tuple[Observation, Array, Memory],
    target: Array,
    valid: Array,
    learning_rate: float | Array,
    epochs: int,
    adam_eps: float,
) -> tuple[ValueFunction, optax.OptState]:
    """Full-batch Adam steps on the mean squared error over the valid steps.

    Args:
      critic: V.
      optimizer: its Adam state.
      seen: observations as the critic reads them [T, N, ...], ended [T, N], memory [N, ...].
      target: [T, N].
      valid: [T, N].
      learning_rate: Adam's.
      epochs: how many steps.
      adam_eps: Adam's.
    """
    steps = jnp.maximum(jnp.sum(valid), 1)

    start, unravel = ravel_pytree(critic)

    def fit(theta: Array) -> Array:
        value, _ = unroll(unravel(theta), *seen)
        return -jnp.sum(jnp.where(valid, jnp.square(value - target), 0.0)) / steps

    def epoch(_: Array, carry: tuple[Array, optax.OptState]) -> tuple[Array, optax.OptState]:
        theta, optimizer = carry
        return ascend("adam", optimizer, theta, jax.grad(fit)(theta), learning_rate, adam_eps)

    theta, optimizer = jax.lax.fori_loop(0, epochs, epoch, (start, optimizer))
    return unravel(theta), optimizer
