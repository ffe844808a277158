"""What is searched: how a candidate is drawn, mutated and crossed over, and real vectors."""

from __future__ import annotations

import abc
from typing import Generic, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike

from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.core.tree import is_non_trainable, ravel_parameters

Point = TypeVar("Point")
MutationKind = Literal["each", "one"]
MUTATIONS = ("each", "one")


class Mutation(NamedTuple):
    """How a point is changed at random."""

    kind: MutationKind  # "one": exactly one coordinate; "each": every one with probability rate
    std: float | Array  # of the Gaussian step of numbers
    rate: float | Array | None = None  # None: 1 for real numbers, 1 / n for everything else


class SearchSpace(eqx.Module, Generic[Point]):
    """How a point of one kind is drawn, mutated and crossed over.

    A point is one array of `n` coordinates; with n=None of as many as the start of the search has.
    """

    @abc.abstractmethod
    def draw(self, key: Array, like: Point, radius: float | Array) -> Point:
        """A point drawn without regard to any other; `like` gives its shape. The key is consumed.

        Args:
          radius: how far from `like` at most, where the space itself has no end.
        """

    @abc.abstractmethod
    def mutate(self, key: Array, point: Point, mutation: Mutation) -> Point:
        """A point near `point`. The key is consumed."""

    def cross(self, mask: Array, first: Point, second: Point) -> Point:
        """A child: the first parent's coordinates where the mask [n] is set, else the second's."""
        return jax.tree.map(
            lambda one, other: jnp.where(mask.reshape(one.shape), one, other), first, second
        )

    def size(self, like: Point) -> int:
        """How many coordinates a point has."""
        return sum(jnp.size(leaf) for leaf in jax.tree.leaves(like))

    def only_real(self) -> bool:
        """Whether its points are real numbers through and through."""
        return isinstance(self, Real)

    @abc.abstractmethod
    def check(self, point: Point) -> None:
        """Raises unless `point` has the type and the number of coordinates of this space."""


def chosen(key: Array, size: int, mutation: Mutation, rate: float | Array) -> Array:
    """Which of `size` coordinates change, booleans [size]."""
    if mutation.kind == "one":
        return jnp.arange(size) == jax.random.randint(key, (), 0, size)
    return jax.random.uniform(key, (size,)) < rate


def discrete_rate(mutation: Mutation, size: int) -> float | Array:
    """The probability that a coordinate changes: one change in the mean unless told otherwise."""
    return 1.0 / size if mutation.rate is None else mutation.rate


class Real(SearchSpace[Point]):
    r"""Real vectors, policies among them: the searched numbers of any tree as one vector [n].

    Drawn uniformly between the bounds, or within `radius` of the start where there are none;
    mutated by Gaussian steps, clipped to the bounds.

    Attributes:
      n: coordinates; None for those of the start. Static.
      low: lower bound, a number or [n]; None for none.
      high: upper bound.
    """

    n: int | None = eqx.field(static=True, default=None)
    low: float | Array | None = None
    high: float | Array | None = None

    def __check_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise UpslopeError(
                f"Real got low={self.low!r} and high={self.high!r}: give both bounds or none."
            )
        if self.low is None or _unknown(self.low, self.high):
            return
        if not np.all(np.asarray(self.low) < np.asarray(self.high)):
            raise UpslopeError(
                f"Real got low={self.low!r} and high={self.high!r}: each lower bound must be "
                "below its upper one."
            )

    def draw(self, key: Array, like: Point, radius: float | Array) -> Point:
        theta, unravel = ravel_parameters(like)
        if self.low is None or self.high is None:
            low, high = theta - radius, theta + radius
        else:
            low, high = self._bounds(theta)
        return unravel(low + (high - low) * jax.random.uniform(key, theta.shape, theta.dtype))

    def mutate(self, key: Array, point: Point, mutation: Mutation) -> Point:
        which, step = jax.random.split(key)
        theta, unravel = ravel_parameters(point)
        noise = mutation.std * jax.random.normal(step, theta.shape, theta.dtype)
        if mutation.kind == "one" or mutation.rate is not None:
            changes = chosen(which, theta.size, mutation, discrete_rate(mutation, theta.size))
            noise = jnp.where(changes, noise, 0.0)
        theta = theta + noise
        if self.low is not None:
            theta = jnp.clip(theta, *self._bounds(theta))
        return unravel(theta)

    def cross(self, mask: Array, first: Point, second: Point) -> Point:
        """A mask of numbers in [0, 1] blends the parents."""
        theta, unravel = ravel_parameters(first)
        other = ravel_parameters(second)[0]
        if jnp.issubdtype(mask.dtype, jnp.bool_):
            return unravel(jnp.where(mask, theta, other))
        return unravel(mask * theta + (1.0 - mask) * other)

    def size(self, like: Point) -> int:
        return ravel_parameters(like)[0].size

    def check(self, point: Point) -> None:
        require_real("The search space Real", point)
        size = self.size(point)
        if self.n is not None and size != self.n:
            raise UpslopeError(
                f"The search space Real has n={self.n} coordinates and the start {size}: "
                "give both the same number."
            )
        theta = ravel_parameters(point)[0]
        if self.low is None or _unknown(self.low, self.high, theta):
            return
        refuse_beyond(self, np.asarray(theta), *self._bounds(theta))

    def _bounds(self, theta: Array) -> tuple[Array, Array]:
        full = lambda bound: jnp.broadcast_to(jnp.asarray(bound, theta.dtype), theta.shape)  # noqa: E731
        return full(self.low), full(self.high)


def refuse_beyond(
    space: SearchSpace[Point], numbers: np.ndarray, low: ArrayLike, high: ArrayLike
) -> None:
    """Raises unless low <= numbers [n] <= high; the bounds are single numbers or [n]."""
    lowest, highest = (np.broadcast_to(limit, numbers.shape) for limit in (low, high))
    wrong = np.flatnonzero((numbers < lowest) | (numbers > highest))
    if wrong.size:
        i = wrong[0]
        raise UpslopeError(
            f"The search space {type(space).__name__} goes from {lowest[i]} to {highest[i]}, and "
            f"the start has {numbers[i]} at entry {i}: start inside."
        )


def _unknown(*values: object) -> bool:
    """Whether any of the values is no number yet: traced, or a placeholder of a tree."""
    known = (int, float, np.ndarray, np.number, Array)
    return any(isinstance(value, Tracer) or not isinstance(value, known) for value in values)


def require_real(owner: str, policy: PyTree) -> None:
    """Raises unless everything searched in a policy is a real number.

    Raises:
      UpslopeError: a leaf of booleans or integers; the methods that can search those are named.
    """
    leaves = jax.tree.leaves(policy, is_leaf=is_non_trainable)
    for leaf in leaves:
        if is_non_trainable(leaf):
            continue
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.floating):
            kind = "bit string" if jnp.issubdtype(dtype, jnp.bool_) else "array of whole numbers"
            raise UpslopeError(
                f"{owner} searches real numbers, and the start holds {dtype}{list(jnp.shape(leaf))}"
                f", a {kind}: random-search, hill-climbing, simulated-annealing and "
                "genetic-algorithm can search it, told the space (Bits, Integers, Choices, "
                "Permutation)."
            )
