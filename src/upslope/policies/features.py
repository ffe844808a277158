"""Features of states and actions for linear policies."""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.core.non_trainable import NonTrainable
from upslope.policies.encoding import encode


class FeatureMap(NonTrainable):
    """phi(s, a) of all actions at once. Its numbers are given: carried, never searched.

    To use your own features, subclass it: sizes are static fields, numbers are leaves.
    """

    @abc.abstractmethod
    def __call__(self, observation: Array) -> Array:
        """phi(s, .) [A, D]."""


class ProductFeatures(FeatureMap):
    """The observation in the block of the action: phi(s, a) = e_a (x) x(s), D = A (I + 1).

    Attributes:
      n_actions: A. Static.
      bias: whether a constant 1 is appended to the observation. Static.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Sutton and Barto (2018), section 13.1.
    """

    n_actions: int = eqx.field(static=True)
    bias: bool = eqx.field(static=True, default=True)
    categories: tuple[int, ...] = eqx.field(static=True, default=())

    def size(self, in_size: int) -> int:
        """D for observations of I numbers."""
        return self.n_actions * (in_size + int(self.bias))

    def __call__(self, observation: Array) -> Array:
        x = encode(observation, self.categories)
        if self.bias:
            x = jnp.append(x, 1.0)
        return jnp.kron(jnp.eye(self.n_actions), x[None, :])


class BernoulliFeatures(FeatureMap):
    """Two actions, phi(s, 1) = x(s) and phi(s, 0) = 0: the Bernoulli-logistic unit.

    Attributes:
      bias: whether a constant 1 is appended to the observation. Static.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Sutton and Barto (2018), exercise 13.5; Williams (1992), section 4.
    """

    bias: bool = eqx.field(static=True, default=True)
    categories: tuple[int, ...] = eqx.field(static=True, default=())

    def size(self, in_size: int) -> int:
        """D for observations of I numbers."""
        return in_size + int(self.bias)

    def __call__(self, observation: Array) -> Array:
        x = encode(observation, self.categories)
        if self.bias:
            x = jnp.append(x, 1.0)
        return jnp.stack([jnp.zeros_like(x), x])


class TableFeatures(FeatureMap):
    """Any features of a finite MDP; the observation is the state, an int scalar.

    Attributes:
      table: phi [S, A, D], floats.
    """

    table: Array = eqx.field(converter=lambda table: jnp.asarray(table, float))

    def __call__(self, observation: Array) -> Array:
        return self.table[observation]
