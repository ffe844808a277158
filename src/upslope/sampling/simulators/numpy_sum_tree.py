"""Drawing in proportion to priorities that change, in NumPy: one tree of sums per seed."""

from __future__ import annotations

import numpy as np


class NumpySumTree:
    """Priorities p_i >= 0 of n leaves for each of S seeds; see `upslope.sampling.sum_tree`.

    Every inner node is the sum of its two children, recomputed on the way to the root: the leaves
    alone determine every sum, to the last bit.

    Attributes:
      nodes: [S, 2 W] float64, W the power of two from n on: the root is 1, leaf i is W + i.
    """

    def __init__(self, n_seeds: int, n_leaves: int):
        self._width = max(2, 1 << (n_leaves - 1).bit_length())
        self.nodes = np.zeros((n_seeds, 2 * self._width))

    @property
    def total(self) -> np.ndarray:
        """The sums of all priorities, [S]."""
        return self.nodes[:, 1]

    def priority(self, seeds: np.ndarray, leaves: np.ndarray) -> np.ndarray:
        """The priorities of leaves of seeds, in the shape of both together."""
        return self.nodes[seeds, self._width + leaves]

    def update(self, seeds: np.ndarray, leaves: np.ndarray, priorities: np.ndarray) -> None:
        """Sets priorities of leaves of seeds, [K] each; where one stands twice, either counts."""
        place = self._width + leaves
        self.nodes[seeds, place] = priorities
        while place.size and place[0] > 1:  # all leaves are equally deep
            place = place >> 1
            sums = self.nodes[seeds, 2 * place] + self.nodes[seeds, 2 * place + 1]
            self.nodes[seeds, place] = sums

    def draw(self, uniform: np.ndarray) -> np.ndarray:
        """Leaves, each with probability p_i / sum p; any leaf while all priorities are zero.

        Args:
          uniform: numbers in [0, 1), [S, ...]; the leaves come back in this shape.
        """
        shape = (-1, *(1,) * (uniform.ndim - 1))
        seeds = np.arange(len(self.nodes)).reshape(shape)
        place = np.ones(uniform.shape, np.int64)
        rest = uniform * self.total.reshape(shape)
        for _ in range(self._width.bit_length() - 1):
            left, right = self.nodes[seeds, 2 * place], self.nodes[seeds, 2 * place + 1]
            # Rounding may leave a rest beyond the last leaf: an empty side is never entered.
            goes_right = ((rest >= left) | (left <= 0)) & (right > 0)
            rest = np.where(goes_right, rest - left, rest)
            place = 2 * place + goes_right
        return place - self._width

    def leaves(self) -> np.ndarray:
        """The priorities of all leaves, [S, W]."""
        return self.nodes[:, self._width :]

    def load(self, leaves: np.ndarray) -> None:
        """Becomes the tree that has these leaves [S, W]."""
        self.nodes[:, self._width :] = leaves
        level = self._width
        while level > 1:
            below = self.nodes[:, level : 2 * level]
            self.nodes[:, level // 2 : level] = below[:, 0::2] + below[:, 1::2]
            level //= 2


def importance_weights(probabilities: np.ndarray, exponent: float) -> np.ndarray:
    """Weights (N p_i)^-beta / max of a batch [..., M]; see `upslope.sampling.sum_tree`."""
    drawn = probabilities > 0
    least = np.min(np.where(drawn, probabilities, np.inf), axis=-1, keepdims=True)
    ratio = np.where(drawn, probabilities, 1.0) / np.where(np.isfinite(least), least, 1.0)
    return np.where(drawn, ratio**-exponent, 0.0).astype(np.float32)
