"""Between the numbers that are searched and the points x that a function is given."""

from __future__ import annotations

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.annotations import PyTree
from upslope.core.tree import ravel_parameters
from upslope.search.evolution.cma.box_transform import BoxTransform
from upslope.search.evolution.cma.margin import IntegerLattice

Points = TypeVar("Points")


class Coordinates(eqx.Module):
    """The map from what a method searches to points x: bounds, whole numbers, fixed coordinates.

    Attributes:
      box: the transform of the searched coordinates into their bounds.
      integers: which of them are whole numbers, and between which; None for none.
      whole: a point x that holds the fixed coordinates; None where all are searched. Then a
        candidate has the structure of x, else it is the vector [d] of the free ones.
      free: which coordinates of x are searched, where some are not. Static.
    """

    box: BoxTransform
    integers: IntegerLattice | None = None
    whole: PyTree = None
    free: tuple[int, ...] = eqx.field(static=True, default=())

    def __call__(self, candidate: PyTree) -> PyTree:
        """The point x of one candidate."""
        if self._plain:
            return candidate
        theta, unravel = ravel_parameters(candidate)
        inside = self.box(theta)
        if self.integers is not None:
            inside = self.integers.rounded(inside)
        if self.whole is None:
            return unravel(inside)
        every, unravel = ravel_parameters(self.whole)
        return unravel(every.at[np.asarray(self.free)].set(inside))

    def inverse(self, x: PyTree) -> PyTree:
        """The candidate that a point x within the bounds is the image of."""
        if self._plain:
            return x
        theta, unravel = ravel_parameters(x)
        if self.whole is None:
            return unravel(self.box.inverse(theta))
        return self.box.inverse(theta[np.asarray(self.free)])

    def points(self, candidates: Points) -> Points:
        """Candidates, leaves [P, ...], as points x."""
        if self._plain:
            return candidates
        return jax.vmap(self)(candidates)

    @property
    def _plain(self) -> bool:
        """Whether candidates are points as they are."""
        return self.whole is None and self.integers is None and not self.box.active

    def size(self, x: PyTree) -> int:
        """How many coordinates are searched."""
        return len(self.free) if self.whole is not None else jnp.size(ravel_parameters(x)[0])
