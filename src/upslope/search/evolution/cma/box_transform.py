"""Bounds on parameters, kept by a smooth map of R^D into the box."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from upslope.core.checks import UpslopeError


class BoxTransform(eqx.Module):
    r"""The identity inside the box, a parabola near its faces, and a mirror beyond them.

    .. math:: x = l + \frac{(g - (l - a))^2}{4 a} \text{ for } g < l + a, \qquad
              a = \min\Big(\frac{u - l}2, \frac{1 + |l|}{20}\Big)

    and likewise at the upper bound. A search in g is unbounded and sees a smooth function whose
    optimum may lie on a face. `inverse` gives the g within [l - a, u + a].

    Attributes:
      lower: l, a number or [D]; None where there is none.
      upper: u, a number or [D]; None where there is none.

    Raises:
      UpslopeError: for bounds that are equal or crossed.

    References:
      Hansen's pycma, `BoxConstraintsLinQuadTransformation`.
    """

    lower: float | Array | None = None
    upper: float | Array | None = None

    def __check_init__(self) -> None:
        if self.lower is None or self.upper is None or traced(self.lower, self.upper):
            return
        if not np.all(np.asarray(self.lower) < np.asarray(self.upper)):
            raise UpslopeError(
                f"The bounds lower={self.lower!r} and upper={self.upper!r} leave nothing between "
                "them: every lower bound must be below its upper one."
            )

    @property
    def active(self) -> bool:
        """Whether there is any bound."""
        return self.lower is not None or self.upper is not None

    def limits(self, like: Array) -> tuple[Array, Array, Array, Array]:
        """l, u and the widths of the two margins, each [D]; infinite where there is no bound."""
        whole = lambda value, none: jnp.broadcast_to(  # noqa: E731
            jnp.asarray(none if value is None else value, like.dtype), like.shape
        )
        low, high = whole(self.lower, -jnp.inf), whole(self.upper, jnp.inf)
        half = 0.5 * (high - low)
        below = jnp.minimum(half, (1 + jnp.abs(low)) / 20)
        above = jnp.minimum(half, (1 + jnp.abs(high)) / 20)
        bounded = lambda edge, width: jnp.where(jnp.isfinite(edge), width, 1.0)  # noqa: E731
        return low, high, bounded(low, below), bounded(high, above)

    def spread(self, like: Array) -> Array:
        """u - l, [D]; infinite where a bound is missing."""
        low, high, _, _ = self.limits(like)
        return high - low

    def check(self, theta: Array) -> None:
        """Raises unless a starting point [D] that is not traced lies within the bounds."""
        if not self.active or traced(theta, self.lower, self.upper):
            return
        start = np.asarray(theta)
        low = np.broadcast_to(
            np.asarray(-np.inf if self.lower is None else self.lower), start.shape
        )
        high = np.broadcast_to(
            np.asarray(np.inf if self.upper is None else self.upper), start.shape
        )
        outside = np.flatnonzero(~((start >= low) & (start <= high)))
        if outside.size:
            i = int(outside[0])
            raise UpslopeError(
                f"The start has theta[{i}]={float(start[i])!r}, which is outside of its bounds "
                f"[{float(low[i])!r}, {float(high[i])!r}]: start inside, or widen the bounds."
            )

    def __call__(self, point: Array) -> Array:
        """x [D] in the box for any g [D]."""
        if not self.active:
            return point
        low, high, below, above = self.limits(point)
        point = mirrored(point, low - below, high + above)
        near_low = low + jnp.square(point - (low - below)) / (4 * below)
        near_high = high - jnp.square(point - (high + above)) / (4 * above)
        inside = jnp.where(point > high - above, near_high, point)
        return jnp.clip(jnp.where(point < low + below, near_low, inside), low, high)

    def inverse(self, value: Array) -> Array:
        """The g [D] nearest to the box whose image is x [D]."""
        if not self.active:
            return value
        low, high, below, above = self.limits(value)
        root = lambda width, gap: 2 * jnp.sqrt(width * jnp.maximum(gap, 0.0))  # noqa: E731
        near_low = low - below + root(below, value - low)
        near_high = high + above - root(above, high - value)
        inside = jnp.where(value > high - above, near_high, value)
        return jnp.where(value < low + below, near_low, inside)


def traced(*values: float | Array | None) -> bool:
    """Whether any of the values is not known yet."""
    return any(isinstance(value, Tracer) for value in values)


def mirrored(point: Array, low: Array, high: Array) -> Array:
    """Points reflected at low and high [D] until they lie between; either may be infinite."""
    both = jnp.isfinite(low) & jnp.isfinite(high)
    start, width = jnp.where(both, low, 0.0), jnp.where(both, high - low, 1.0)
    phase = jnp.mod(point - start, 2 * width)
    folded = start + jnp.minimum(phase, 2 * width - phase)
    outside = (point < low) | (point > high)
    up = jnp.where(jnp.isfinite(low) & (point < low), 2 * low - point, point)
    single = jnp.where(jnp.isfinite(high) & (point > high), 2 * high - point, up)
    return jnp.where(outside, jnp.where(both, folded, single), point)
