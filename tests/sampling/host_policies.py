"""Policies for simulators, small enough to follow by hand."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from upslope.core.distributions.gaussian import DiagonalGaussian
from upslope.policies.policy import Policy


class Linear(Policy):
    """A Gaussian about W o, o the numbers of an array or a tree in one vector."""

    weights: Array  # [A, D]

    def __call__(self, observation: Any, memory: Any = None) -> Any:
        numbers = ravel_pytree(observation)[0].astype(float)
        return DiagonalGaussian(self.weights @ numbers, jnp.zeros(len(self.weights)))


class Counting(Policy):
    """Its action is how many steps it remembers; a memory that is not begun anew shows."""

    has_memory: ClassVar[bool] = True
    start: Array  # scalar

    def __call__(self, observation: Array, memory: Any = None) -> Any:
        return DiagonalGaussian(jnp.stack([memory, memory]), jnp.full(2, -20.0)), memory + 1.0

    def initial_memory(self) -> Any:
        return self.start


def linear(*lead: int, size: int = 3, actions: int = 2, seed: int = 0) -> Linear:
    """Linear policies with leading axes."""
    return Linear(0.3 * jax.random.normal(jax.random.key(seed), (*lead, actions, size)))


def counting(*lead: int) -> Counting:
    """Counting policies with leading axes."""
    return Counting(jnp.zeros(lead))
