"""A count of environment steps that neither wraps nor stops, for schedules of any length."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array


class StepCount(NamedTuple):
    r"""A whole number below 2^64 in two words of 32 bits: n = 2^32 high + low.

    A signed 32-bit count wraps at 2^31, and a float32 sum stays where it is as soon as what is
    added is less than half of its spacing (at 2^26 steps for batches of 4). This one is exact, with
    and without 64-bit types. Pure: `add` returns a new count.

    Attributes:
      low: scalar uint32.
      high: scalar uint32.
    """

    low: Array
    high: Array

    @classmethod
    def start(cls) -> StepCount:
        """Zero."""
        return cls(low=jnp.zeros((), jnp.uint32), high=jnp.zeros((), jnp.uint32))

    def add(self, steps: Array | int) -> StepCount:
        """The count with `steps` more: a whole number from 0 to 2^32 - 1."""
        low = self.low + jnp.asarray(steps).astype(jnp.uint32)
        return StepCount(low=low, high=self.high + (low < self.low).astype(jnp.uint32))

    @property
    def value(self) -> Array:
        """The number, rounded once to the default floating-point type."""
        return self.high.astype(float) * 2.0**32 + self.low.astype(float)
