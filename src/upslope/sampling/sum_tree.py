"""Drawing in proportion to priorities that change: a binary tree of sums."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int


class SumTree(NamedTuple):
    r"""Priorities p_i >= 0 of n leaves; every inner node holds the sum of its two children.

    An update recomputes the sums on its way to the root from the children, so that rounding errors
    never add up: after any number of updates a sum is that of its leaves, and none is negative.
    There may be any number of leaves: what fills them up to a power of two has priority zero, and
    such a leaf is never drawn.
    """

    nodes: Float[Array, " 2*W"]  # W the power of two from n on: the root is 1, leaf i is W + i

    @classmethod
    def zeros(cls, n_leaves: int) -> SumTree:
        """A tree of priorities zero."""
        width = 1 << max(n_leaves - 1, 1).bit_length() if n_leaves > 1 else 2
        return cls(jnp.zeros(2 * width))

    @property
    def _width(self) -> int:
        return self.nodes.shape[0] // 2

    @property
    def _levels(self) -> int:
        """Of sums, above the leaves."""
        return self._width.bit_length() - 1

    @property
    def total(self) -> Float[Array, ""]:
        """The sum of all priorities, a scalar."""
        return self.nodes[1]

    def priority(self, leaves: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """The priorities of leaves, in their shape."""
        return self.nodes[self._width + leaves]

    def update(self, leaves: Int[Array, " K"], priorities: Float[Array, " K"]) -> SumTree:
        """The tree with other priorities of leaves [K]; where one stands twice, either counts."""
        return self.with_leaves(leaves, priorities).summed(leaves)

    def with_leaves(self, leaves: Int[Array, " K"], priorities: Float[Array, " K"]) -> SumTree:
        """Other priorities of leaves [K], above which the sums are still those of before."""
        changed = priorities.astype(self.nodes.dtype)
        return SumTree(self.nodes.at[self._width + leaves].set(changed))

    def summed(self, leaves: Int[Array, " K"]) -> SumTree:
        """The tree with the sums above these leaves [K] computed anew."""

        def level(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            nodes, place = carry
            place = place // 2
            return nodes.at[place].set(nodes[2 * place] + nodes[2 * place + 1]), place

        nodes, _ = jax.lax.fori_loop(0, self._levels, level, (self.nodes, self._width + leaves))
        return SumTree(nodes)

    def draw(self, uniform: Float[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Leaves, each with probability p_i / sum p; any leaf while all priorities are zero.

        Args:
          uniform: numbers in [0, 1), of any shape; the leaves come back in it.
        """

        def level(_: Array, carry: tuple[Array, Array]) -> tuple[Array, Array]:
            place, rest = carry
            left, right = self.nodes[2 * place], self.nodes[2 * place + 1]
            # Rounding may leave a rest beyond the last leaf: an empty side is never entered.
            goes_right = (rest >= left) & (right > 0) | (left <= 0) & (right > 0)
            return 2 * place + goes_right, jnp.where(goes_right, rest - left, rest)

        start = (jnp.ones(uniform.shape, int), uniform * self.total)
        place, _ = jax.lax.fori_loop(0, self._levels, level, start)
        return place - self._width


def importance_weights(
    probabilities: Float[Array, "*batch M"], exponent: float | Float[Array, ""]
) -> Float[Array, "*batch M"]:
    r"""Weights :math:`(N p_i)^{-\beta} / \max_j (N p_j)^{-\beta}` of a batch [..., M].

    N cancels. What has probability zero was not drawn by it, and weighs nothing.

    References:
      Schaul et al. (2016), section 3.4.
    """
    drawn = probabilities > 0
    least = jnp.min(jnp.where(drawn, probabilities, jnp.inf), axis=-1, keepdims=True)
    ratio = jnp.where(drawn, probabilities, 1.0) / jnp.where(jnp.isfinite(least), least, 1.0)
    return jnp.where(drawn, ratio**-exponent, 0.0)
