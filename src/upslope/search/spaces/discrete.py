"""Search spaces without gradients: bit strings, whole numbers, choices, orders."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.typing import ArrayLike, DTypeLike

from upslope.core.checks import UpslopeError, check_number
from upslope.search.spaces.space import (
    Mutation,
    SearchSpace,
    chosen,
    discrete_rate,
    refuse_beyond,
)

WIDEST = 2**30  # range of whole numbers: twice that is the most that 32 bits can hold


def refuse_kind(
    space: SearchSpace[Array], point: Array, n: int | None, dtype: DTypeLike, wanted: str
) -> None:
    """Raises unless `point` is one array of a type, with n elements."""
    name = type(space).__name__
    if not hasattr(point, "dtype") or not jnp.issubdtype(point.dtype, dtype):
        found = getattr(point, "dtype", type(point).__name__)
        raise UpslopeError(
            f"The search space {name} got a start of type {found}: it searches {wanted}."
        )
    if n is not None and jnp.size(point) != n:
        raise UpslopeError(
            f"The search space {name} has n={n} coordinates and the start {jnp.size(point)}: "
            "give both the same number."
        )


def refuse_outside(
    space: SearchSpace[Array], point: Array, low: ArrayLike, high: ArrayLike
) -> None:
    """Raises unless low <= point <= high, and the point's type can hold both; skips tracers."""
    name, limits = type(space).__name__, jnp.iinfo(point.dtype)
    if np.min(low) < limits.min or np.max(high) > limits.max:
        raise UpslopeError(
            f"The search space {name} has numbers from {np.min(low)} to {np.max(high)}, and the "
            f"start is {point.dtype}, which cannot hold them: give it a wider type."
        )
    if not isinstance(point, Tracer):
        refuse_beyond(space, np.asarray(point).ravel(), low, high)


class Bits(SearchSpace[Array]):
    """Bit strings: booleans [n]. Drawn fairly, mutated by flips.

    Attributes:
      n: bits; None for those of the start. Static.
    """

    n: int | None = eqx.field(static=True, default=None)

    def draw(self, key: Array, like: Array, radius: float | Array) -> Array:
        return jax.random.bernoulli(key, 0.5, like.shape)

    def mutate(self, key: Array, point: Array, mutation: Mutation) -> Array:
        flips = chosen(key, point.size, mutation, discrete_rate(mutation, point.size))
        return point ^ flips.reshape(point.shape)

    def check(self, point: Array) -> None:
        refuse_kind(self, point, self.n, jnp.bool_, "arrays of booleans")


class Integers(SearchSpace[Array]):
    """Whole numbers [n] from low to high, both included.

    Drawn uniformly; mutated by a rounded Gaussian step of at least 1, reflected at the bounds.

    Attributes:
      low: smallest. Static.
      high: largest. Static.
      n: coordinates; None for those of the start. Static.
    """

    low: int = eqx.field(static=True)
    high: int = eqx.field(static=True)
    n: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        check_number("Integers", "low", self.low, integer=True)
        check_number("Integers", "high", self.high, integer=True, at_least=self.low)
        if self.high - self.low > WIDEST:
            raise UpslopeError(
                f"Integers got low={self.low} and high={self.high}: a range of at most {WIDEST:,} "
                "can be searched; take real numbers and round them."
            )

    def draw(self, key: Array, like: Array, radius: float | Array) -> Array:
        offset = jax.random.randint(key, like.shape, 0, self.high - self.low + 1)
        return (self.low + offset).astype(like.dtype)

    def mutate(self, key: Array, point: Array, mutation: Mutation) -> Array:
        which, size_key, sign_key = jax.random.split(key, 3)
        width = self.high - self.low
        if width == 0:
            return point
        step = jnp.abs(mutation.std * jax.random.normal(size_key, point.shape))
        here = point.astype(int)  # a small type cannot hold twice the range
        step = jnp.clip(jnp.round(step), 1, width).astype(int)
        step = step * jax.random.rademacher(sign_key, point.shape, int)
        folded = jnp.mod(here - self.low + step, 2 * width)
        moved = self.low + jnp.where(folded > width, 2 * width - folded, folded)
        beside = jnp.where(here < self.high, here + 1, here - 1)
        moved = jnp.where(moved == here, beside, moved)  # a reflection may lead back
        changes = chosen(which, point.size, mutation, discrete_rate(mutation, point.size))
        return jnp.where(changes.reshape(point.shape), moved, here).astype(point.dtype)

    def check(self, point: Array) -> None:
        refuse_kind(self, point, self.n, jnp.integer, "arrays of whole numbers")
        refuse_outside(self, point, self.low, self.high)


class Choices(SearchSpace[Array]):
    """Categorical choices: numbers of options without an order, integers [n].

    Drawn uniformly; mutated to another option, each as likely.

    Attributes:
      options: how many there are to choose from, 0 to options - 1; one number for all coordinates,
        or a tuple with one for each. Static.
      n: coordinates; None for those of the start. Static.
    """

    options: int | tuple[int, ...] = eqx.field(static=True)
    n: int | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        many = self.options if isinstance(self.options, tuple) else (self.options,)
        for number in many:
            check_number("Choices", "options", number, at_least=1, integer=True)

    def draw(self, key: Array, like: Array, radius: float | Array) -> Array:
        return jax.random.randint(key, like.shape, 0, self._options(like), like.dtype)

    def mutate(self, key: Array, point: Array, mutation: Mutation) -> Array:
        which, how = jax.random.split(key)
        options = self._options(point)
        ahead = jax.random.randint(how, point.shape, 1, jnp.maximum(options, 2), point.dtype)
        changes = chosen(which, point.size, mutation, discrete_rate(mutation, point.size))
        return jnp.where(changes.reshape(point.shape), jnp.mod(point + ahead, options), point)

    def check(self, point: Array) -> None:
        refuse_kind(self, point, self.n, jnp.integer, "arrays of the numbers of options")
        if isinstance(self.options, tuple) and len(self.options) != jnp.size(point):
            raise UpslopeError(
                f"Choices got {len(self.options)} numbers of options for a start of "
                f"{jnp.size(point)} coordinates: give one number for each."
            )
        refuse_outside(self, point, 0, np.asarray(self.options) - 1)

    def _options(self, like: Array) -> Array:
        options = jnp.asarray(self.options, like.dtype)
        return jnp.broadcast_to(options.reshape(like.shape if options.ndim else ()), like.shape)


class Permutation(SearchSpace[Array]):
    """Orders of 0 to n - 1: integers [n].

    Drawn uniformly; mutated by swaps of two positions; crossed over by keeping the first parent's
    entries where they are chosen and filling in the rest in the second parent's order.

    Attributes:
      n: length; None for that of the start. Static.

    References:
      Syswerda (1991), "Schedule optimization using genetic algorithms", order-based crossover.
    """

    n: int | None = eqx.field(static=True, default=None)

    def draw(self, key: Array, like: Array, radius: float | Array) -> Array:
        return jax.random.permutation(key, like.size).astype(like.dtype)

    def mutate(self, key: Array, point: Array, mutation: Mutation) -> Array:
        size = point.size
        if size < 2:
            return point
        which, where = jax.random.split(key)
        changes = chosen(which, size, mutation, discrete_rate(mutation, size))
        ahead = jax.random.randint(where, (size,), 1, size)

        def swap(i: Array, order: Array) -> Array:
            j = jnp.mod(i + jnp.where(changes[i], ahead[i], 0), size)
            return order.at[i].set(order[j]).at[j].set(order[i])

        if mutation.kind == "one":
            return swap(jnp.argmax(changes), point)
        return jax.lax.fori_loop(0, size, swap, point)

    def cross(self, mask: Array, first: Array, second: Array) -> Array:
        kept = jnp.zeros(first.size, bool).at[first].set(mask)
        rest = second[jnp.argsort(kept[second], stable=True)]  # those not kept come first
        return jnp.where(mask, first, rest[jnp.cumsum(~mask) - 1])

    def check(self, point: Array) -> None:
        refuse_kind(self, point, self.n, jnp.integer, "orders, arrays of whole numbers")
        if jnp.ndim(point) != 1:
            raise UpslopeError(
                f"The search space Permutation got a start of shape {jnp.shape(point)}: an order "
                "is an array of one axis."
            )
        if not isinstance(point, Tracer) and not np.array_equal(
            np.sort(point), np.arange(point.size)
        ):
            raise UpslopeError(
                f"The search space Permutation got a start that is not an order of 0 to "
                f"{point.size - 1}: {np.asarray(point).tolist()}."
            )
