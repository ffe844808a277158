"""The least value of a convex quadratic within bounds."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Bool, Float

from upslope.core.dense_systems import positive_solve

# Steps of Newton's method on the free variables, for each variable and beyond.
STEPS_PER_VARIABLE, MORE_STEPS = 2, 4
SHRINKAGE, N_TRIALS, ARMIJO = 0.5, 10, 0.1


class BoxMinimum(NamedTuple):
    """Where a quadratic is least within bounds."""

    x: Float[Array, " m"]
    free: Bool[Array, " m"]  # which variables are not held by a bound
    least_pivot: Float[Array, ""]  # of the whole matrix: above zero if it is positive definite


def minimize_quadratic(
    matrix: Float[Array, "m m"],
    slope: Float[Array, " m"],
    low: Float[Array, " m"],
    high: Float[Array, " m"],
) -> BoxMinimum:
    r"""x that minimises x'Hx/2 + g'x within low <= x <= high, by the projected Newton method.

    Variables at a bound that the gradient pushes against are held there; the others take a
    Newton step, projected onto the bounds, with a backtracking line search. The set of those held
    is right after finitely many steps, and then the answer is exact. One variable needs none of
    it: its unbounded minimum is clipped.

    Args:
      matrix: H, symmetric and positive definite.
      slope: g.
      low: may be minus infinity.
      high: may be infinity.

    References:
      Bertsekas (1982), "Projected Newton methods for optimization problems with simple
      constraints"; Tassa, Mansard and Todorov (2014), section III.
    """
    m = matrix.shape[0]
    start, pivots = positive_solve(matrix, -slope[:, None])
    start, least = start[:, 0], jnp.min(pivots)
    if m == 1:
        x = jnp.clip(start, low, high)
        return BoxMinimum(x, (start > low) & (start < high), least)

    def held(x: Array, gradient: Array) -> Array:
        return ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))

    def value(x: Array) -> Array:
        return 0.5 * x @ matrix @ x + slope @ x

    def newton(x: Array, _: None) -> tuple[Array, None]:
        gradient = matrix @ x + slope
        free = ~held(x, gradient)
        both = free[:, None] & free[None, :]
        inner = jnp.where(both, matrix, jnp.eye(m, dtype=matrix.dtype))
        step = positive_solve(inner, jnp.where(free, -gradient, 0.0)[:, None])[0]
        sizes = SHRINKAGE ** jnp.arange(N_TRIALS, dtype=x.dtype)
        trials = jnp.clip(x[None] + sizes[:, None] * step[:, 0][None], low[None], high[None])
        gains = value(x) - jax.vmap(value)(trials)
        enough = gains >= ARMIJO * (x[None] - trials) @ gradient
        # With no step that is good enough (the minimum, to rounding) x stays.
        first = jnp.argmax(enough)
        return jnp.where(jnp.any(enough), trials[first], x), None

    n_steps = STEPS_PER_VARIABLE * m + MORE_STEPS
    found: tuple[Array, None] = jax.lax.scan(newton, jnp.clip(start, low, high), length=n_steps)
    x = found[0]
    return BoxMinimum(x, ~held(x, matrix @ x + slope), least)
