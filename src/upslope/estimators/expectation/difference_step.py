"""How long a step a finite difference should take when the function is noisy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_choice, check_number
from upslope.estimators.expectation.noisy_gradient import noisy_values

T = TypeVar("T")


def optimal_step(
    noise_std: float,
    derivative: float,
    kind: Literal["forward", "central"] = "central",
) -> float:
    r"""The step of least mean squared error.

    .. math:: \epsilon_\text{forward} = 8^{1/4} \sqrt{\frac{\sigma}{|J''|}}, \qquad
              \epsilon_\text{central} = \Big(\frac{3 \sigma}{|J'''|}\Big)^{1/3}

    They balance the bias (eps J''/2, eps^2 J'''/6) against the variance of the difference of two
    independent evaluations (2 sigma^2 / eps^2, sigma^2 / (2 eps^2)). With sigma the rounding error
    of J they are the square and cube root of the machine precision.

    Args:
      noise_std: sigma, the standard deviation of one evaluation (`measured_noise`).
      derivative: J'' (forward) or J''' (central) along the coordinate, or a bound on it.
      kind: the difference formula.

    Raises:
      UpslopeError: when either is not positive: without noise the shortest step is best, without
        curvature the longest.

    References:
      More and Wild (2012), "Estimating derivatives of noisy simulations", theorem 3.2 (forward).
    """
    check_choice("optimal_step", "kind", kind, ("forward", "central"))
    check_number("optimal_step", "noise_std", noise_std, above=0.0)
    name = "J''" if kind == "forward" else "J'''"
    check_number(
        "optimal_step",
        "derivative",
        abs(float(derivative)),
        above=0.0,
        why=f"Where {name} is zero there is no bias: take the longest step that makes sense.",
    )
    if kind == "forward":
        return 8.0**0.25 * float(np.sqrt(noise_std / abs(derivative)))
    return float(np.cbrt(3.0 * noise_std / abs(derivative)))


def measured_noise(
    key: Key, function: Callable[[Array, T], ArrayLike], parameters: T, repetitions: int = 16
) -> float:
    """The standard deviation of one evaluation at `parameters`, from repeated ones.

    A function without noise has its rounding error for it.

    Args:
      key: consumed.
      function: `(seed, parameters) -> number`, see `noisy_gradient`.
      parameters: any tree of arrays.
      repetitions: evaluations, each with its own seed.

    Raises:
      UpslopeError: when a value is not finite.
    """
    check_number("measured_noise", "repetitions", repetitions, at_least=2, integer=True)
    points = jax.tree.map(
        lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (repetitions, *jnp.shape(leaf))),
        parameters,
    )
    seeds = jax.random.bits(key, (repetitions,), jnp.uint32)
    values = np.asarray(noisy_values("measured_noise", function, seeds, points))
    if not np.isfinite(values).all():
        raise UpslopeError(f"measured_noise got the value {values[~np.isfinite(values)][0]}.")
    rounding = float(np.finfo(values.dtype).eps) * max(float(np.abs(values).max()), 1e-30)
    return max(float(values.std(ddof=1)), rounding)
