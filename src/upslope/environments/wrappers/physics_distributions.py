"""Distributions of a physical number, from which domain randomisation draws."""

from __future__ import annotations

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jaxtyping import Float, Num
from numpy.typing import ArrayLike

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError, check_number


class PhysicsDistribution(eqx.Module):
    """A distribution over numbers. Its parameters are leaves: changing one compiles nothing."""

    @abc.abstractmethod
    def sample(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        """Independent draws of that shape. The key is consumed."""

    @abc.abstractmethod
    def support(self) -> tuple[float | Float[Array, ""], float | Float[Array, ""]]:
        """The least and the greatest value that can be drawn."""


class Uniform(PhysicsDistribution):
    """Uniform between two numbers.

    Attributes:
      low: the least value.
      high: the greatest; equal to `low` for no randomness at all.

    Raises:
      UpslopeError: `low` is above `high`, or one of them is not finite.
    """

    low: float
    high: float

    def __check_init__(self) -> None:
        _check_range("Uniform", self.low, self.high)

    def sample(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        unit = jax.random.uniform(key, shape)
        return jnp.clip(self.low + unit * (self.high - self.low), self.low, self.high)

    def support(self) -> tuple[float | Float[Array, ""], float | Float[Array, ""]]:
        return self.low, self.high


class LogUniform(PhysicsDistribution):
    r"""The logarithm is uniform: halving is as likely as doubling.

    .. math:: x = \mathrm{low} \, (\mathrm{high} / \mathrm{low})^u, \qquad u \sim U[0, 1]

    Attributes:
      low: the least value, above zero.
      high: the greatest; equal to `low` for no randomness at all.

    Raises:
      UpslopeError: `low` is not above zero or above `high`, or one of them is not finite.
    """

    low: float
    high: float

    def __check_init__(self) -> None:
        check_number("LogUniform", "low", self.low, above=0.0)
        _check_range("LogUniform", self.low, self.high)

    def sample(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        unit = jax.random.uniform(key, shape)
        # A range without width gives exp(0) = 1, exactly.
        ratio = jnp.exp(unit * jnp.log(jnp.asarray(self.high) / self.low))
        return jnp.clip(self.low * ratio, self.low, self.high)

    def support(self) -> tuple[float | Float[Array, ""], float | Float[Array, ""]]:
        return self.low, self.high


class Normal(PhysicsDistribution):
    """A normal distribution, cut to [low, high].

    Attributes:
      mean: before it is cut.
      std: before it is cut; zero for no randomness at all.
      low: the least value; minus infinity for no limit.
      high: the greatest value; infinity for no limit.

    Raises:
      UpslopeError: a negative `std`, or a mean outside of [low, high].
    """

    mean: float
    std: float
    low: float = -float("inf")
    high: float = float("inf")

    def __check_init__(self) -> None:
        check_number("Normal", "mean", self.mean)
        check_number("Normal", "std", self.std, at_least=0.0)
        ordered = _known(self.low, self.mean, self.high)
        if ordered is not None and not ordered[0] <= ordered[1] <= ordered[2]:
            raise UpslopeError(
                f"Normal got mean={self.mean!r} with low={self.low!r} and high={self.high!r}: the "
                "mean must lie between them."
            )

    def sample(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        safe = jnp.where(jnp.asarray(self.std) > 0, self.std, 1.0)
        low, high = ((limit - self.mean) / safe for limit in (self.low, self.high))
        unit = jax.random.truncated_normal(key, low, high, shape)
        # Without width every draw is the mean, exactly.
        return jnp.where(
            jnp.asarray(self.std) > 0,
            jnp.clip(self.mean + self.std * unit, self.low, self.high),
            jnp.asarray(self.mean, unit.dtype),
        )

    def support(self) -> tuple[float | Float[Array, ""], float | Float[Array, ""]]:
        known = _known(self.std)
        return (self.mean, self.mean) if known == [0.0] else (self.low, self.high)


class Choice(PhysicsDistribution):
    """One of several values.

    Attributes:
      values: [K].
      weights: [K], in proportion to which they are drawn; equal ones by default.

    Raises:
      UpslopeError: no values, or weights that are negative or of another number.
    """

    values: Float[Array, " K"]
    weights: Num[Array, " K"]

    def __init__(self, values: ArrayLike, weights: ArrayLike | None = None):
        self.values = jnp.atleast_1d(jnp.asarray(values, float))
        self.weights = jnp.asarray(jnp.ones(self.values.shape) if weights is None else weights)
        if (
            self.values.ndim != 1
            or self.values.size == 0
            or self.weights.shape != self.values.shape
        ):
            raise UpslopeError(
                f"Choice got values of shape {self.values.shape} and weights of shape "
                f"{self.weights.shape}: both must be [K], with K at least 1."
            )
        known = _known(*self.weights)
        if known is not None and not (min(known) >= 0 and 0 < sum(known) < float("inf")):
            raise UpslopeError(
                f"Choice got weights={known}: they must be finite, not negative and not all zero."
            )

    def sample(self, key: Key, shape: tuple[int, ...]) -> Float[Array, "*shape"]:
        return self.values[jax.random.categorical(key, jnp.log(self.weights), shape=shape)]

    def support(self) -> tuple[float | Float[Array, ""], float | Float[Array, ""]]:
        return jnp.min(self.values), jnp.max(self.values)


def _known(*numbers: float | Array) -> list[float] | None:
    """The numbers as floats; None inside a compiled program, where they have no value yet."""
    if any(isinstance(number, Tracer) for number in numbers):
        return None
    return [float(np.asarray(number)) for number in numbers]


def _check_range(owner: str, low: float | Array, high: float | Array) -> None:
    check_number(owner, "low", low)
    check_number(owner, "high", high)
    known = _known(low, high)
    if known is not None and known[0] > known[1]:
        raise UpslopeError(
            f"{owner} got low={low!r} and high={high!r}: low must not be above high."
        )
