"""Search spaces put together, and the space of a start that names none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core import tree
from upslope.core.annotations import PyTree
from upslope.core.checks import UpslopeError
from upslope.core.tree import is_non_trainable
from upslope.search.spaces.discrete import Bits
from upslope.search.spaces.space import Mutation, Real, SearchSpace

Start = TypeVar("Start")
Crossover = Literal["none", "uniform", "one-point", "two-point", "blend"]
CROSSOVERS = ("none", "uniform", "one-point", "two-point", "blend")


def is_space(node: object) -> bool:
    """Whether a node of a tree of spaces is one of them."""
    return isinstance(node, SearchSpace)


class Product(SearchSpace[PyTree]):
    """Several spaces side by side: a policy with parts of different kinds.

    Attributes:
      parts: a tree of spaces whose structure is that of the policy, or a prefix of it (one space
        `Real` may stand for a whole subtree).
    """

    parts: PyTree

    def draw(self, key: Array, like: PyTree, radius: float | Array) -> PyTree:
        spaces, points, join = self._paired(like)
        keys = jax.random.split(key, len(spaces))
        return join(
            [s.draw(k, p, radius) for s, k, p in zip(spaces, keys, points, strict=True)],
        )

    def mutate(self, key: Array, point: PyTree, mutation: Mutation) -> PyTree:
        spaces, points, join = self._paired(point)
        which, *keys = jax.random.split(key, len(spaces) + 1)
        sizes = [s.size(p) for s, p in zip(spaces, points, strict=True)]
        discrete = sum(n for s, n in zip(spaces, sizes, strict=True) if not isinstance(s, Real))
        coordinate = jax.random.randint(which, (), 0, sum(sizes))
        moved, before = [], 0
        for space, here, size, one in zip(spaces, points, sizes, keys, strict=True):
            own = mutation
            if mutation.rate is None and not isinstance(space, Real):
                own = mutation._replace(rate=1.0 / discrete)
            new = space.mutate(one, here, own)
            if mutation.kind == "one":
                mine = (coordinate >= before) & (coordinate < before + size)
                new = tree.where(mine, new, here)
            moved.append(new)
            before += size
        return join(moved)

    def cross(self, mask: Array, first: PyTree, second: PyTree) -> PyTree:
        spaces, ones, join = self._paired(first)
        others = self._paired(second)[1]
        children, before = [], 0
        for space, one, other in zip(spaces, ones, others, strict=True):
            size = space.size(one)
            children.append(space.cross(mask[before : before + size], one, other))
            before += size
        return join(children)

    def size(self, like: PyTree) -> int:
        spaces, points, _ = self._paired(like)
        return sum(s.size(p) for s, p in zip(spaces, points, strict=True))

    def check(self, point: PyTree) -> None:
        spaces, points, _ = self._paired(point)
        for space, part in zip(spaces, points, strict=True):
            space.check(part)

    def only_real(self) -> bool:
        return all(s.only_real() for s in jax.tree.leaves(self.parts, is_leaf=is_space))

    def _paired(
        self, point: PyTree
    ) -> tuple[list[SearchSpace[PyTree]], list[PyTree], Callable[[list[PyTree]], PyTree]]:
        """The spaces, their parts of a point, and the way back to a point."""
        spaces, structure = jax.tree.flatten(self.parts, is_leaf=is_space)
        try:
            points = structure.flatten_up_to(point)
        except ValueError as error:
            raise UpslopeError(
                f"The tree of search spaces does not fit the start of the search: {error}"
            ) from None
        return spaces, points, structure.unflatten


def space_of(owner: str, space: PyTree, start: Start) -> SearchSpace[Start]:
    """The space to search from `start`: the one given, or the one that its type tells.

    Args:
      owner: the method, for messages.
      space: a `SearchSpace`, a tree of them, or None.
      start: the first point.

    Raises:
      UpslopeError: the start does not fit its space, or none is given and its type leaves it open.
    """
    if space is None:
        nodes = jax.tree.leaves(start, is_leaf=is_non_trainable)
        types = [jnp.result_type(node) for node in nodes if not is_non_trainable(node)]
        if all(jnp.issubdtype(dtype, jnp.floating) for dtype in types):
            space = Real()
        elif len(types) == 1 and jnp.issubdtype(types[0], jnp.bool_):
            space = Bits()
        else:
            raise UpslopeError(
                f"{owner} got a start with parts of type {', '.join(sorted(map(str, set(types))))} "
                "and space=None: say which space it is searched in, such as "
                "space=Integers(low, high), Choices(options), Permutation() or a tree of them."
            )
    elif not is_space(space):
        space = Product(space)
    space.check(start)
    return space


def check_space(owner: str, space: PyTree) -> None:
    """Raises unless `space` is None, a search space or a tree of search spaces."""
    for node in jax.tree.leaves(space, is_leaf=is_space):
        if not is_space(node):
            raise UpslopeError(
                f"{owner} got space={space!r}: it must be a search space such as Real(), Bits(), "
                "Integers(low, high), Choices(options), Permutation(), or a tree of them."
            )


def crossover_mask(key: Array, crossover: Crossover, size: int) -> Array:
    """Which coordinates [size] the first parent gives; numbers in [0, 1] for "blend"."""
    if crossover == "none":
        return jnp.ones(size, bool)
    if crossover == "uniform":
        return jax.random.bernoulli(key, 0.5, (size,))
    if crossover == "blend":
        return jax.random.uniform(key, (size,))
    cuts = jnp.sort(jax.random.randint(key, (2,), 0, size + 1))
    place = jnp.arange(size)
    if crossover == "one-point":
        return place < jax.random.randint(key, (), 1, max(size, 2))
    return (place < cuts[0]) | (place >= cuts[1])


__all__ = [
    "CROSSOVERS",
    "Crossover",
    "Product",
    "check_space",
    "crossover_mask",
    "is_space",
    "space_of",
]
