"""Long sums in single precision without the drift of rounding errors."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array


class CompensatedSum(NamedTuple):
    r"""A running sum that carries what rounding has lost of it, for loops of any length.

    After n terms its error is at most :math:`u |\sum x_i| + 4 n u^2 \sum |x_i|`, where the plain
    sum may be wrong by :math:`n u \sum |x_i|`; u is half the machine precision. (A million rewards
    of 0.1 add up to 100958 in float32, and to 100000 here.) A carry of `lax.scan` and
    `lax.while_loop`; terms of any shape, added elementwise. A term that is not finite makes
    the sum what the plain sum is.

    Attributes:
      total: the rounded sum, [...].
      lost: what rounding has taken off it, [...].

    References:
      Neumaier (1974); Dekker (1971), section 5 (a sum kept in two numbers).
    """

    total: Array
    lost: Array

    @classmethod
    def start(cls, like: Array | float = 0.0) -> CompensatedSum:
        """The empty sum of terms like `like` (their shape and type)."""
        zero = jnp.zeros_like(jnp.asarray(like, jnp.result_type(like, jnp.float32)))
        return cls(zero, zero)

    def add(self, term: Array | float) -> CompensatedSum:
        """The sum with one more term."""
        term = jnp.asarray(term, self.total.dtype)
        total = self.total + term
        larger = jnp.abs(self.total) >= jnp.abs(term)
        # Exact: the smaller of the two is what loses digits, and the difference has no error.
        lost = jnp.where(larger, (self.total - total) + term, (term - total) + self.total)
        lost = self.lost + jnp.where(jnp.isfinite(total), lost, 0.0)
        # What has gathered goes back into the sum, so that it never grows and loses digits itself.
        settled = total + lost
        left = jnp.where(jnp.isfinite(settled), lost - (settled - total), 0.0)
        return CompensatedSum(settled, left)

    @property
    def value(self) -> Array:
        """The sum, rounded once."""
        return self.total + self.lost
