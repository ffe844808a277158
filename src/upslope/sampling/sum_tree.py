"""Drawing in proportion to priorities that change: a binary tree of sums."""

from __future__ import annotations

from typing import NamedTuple

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
    def total(self) -> Float[Array, ""]:
        """The sum of all priorities, a scalar."""
        return self.nodes[1]

    def priority(self, leaves: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        """The priorities of leaves, in their shape."""
        return self.nodes[self._width + leaves]

    def update(self, leaves: Int[Array, " K"], priorities: Float[Array, " K"]) -> SumTree:
        """The tree with other priorities of leaves [K]; where one stands twice, either counts."""
        place = self._width + leaves
        nodes = self.nodes.at[place].set(priorities.astype(self.nodes.dtype))
        for _ in range(self._width.bit_length() - 1):
            place = place // 2
            nodes = nodes.at[place].set(nodes[2 * place] + nodes[2 * place + 1])
        return SumTree(nodes)

    def draw(self, uniform: Float[Array, "*batch"]) -> Int[Array, "*batch"]:
        """Leaves, each with probability p_i / sum p; any leaf while all priorities are zero.

        Args:
          uniform: numbers in [0, 1), of any shape; the leaves come back in it.
        """
        place = jnp.ones(uniform.shape, int)
        rest = uniform * self.total
        for _ in range(self._width.bit_length() - 1):
            left, right = self.nodes[2 * place], self.nodes[2 * place + 1]
            # Rounding may leave a rest beyond the last leaf: an empty side is never entered.
            goes_right = (rest >= left) & (right > 0) | (left <= 0) & (right > 0)
            rest = jnp.where(goes_right, rest - left, rest)
            place = 2 * place + goes_right
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
