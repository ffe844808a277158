"""The smallest policies that the contracts allow, so that tests know every number in them."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.distributions.categorical import Categorical
from upslope.policies.policy import Policy, ValueFunction


class TableValue(ValueFunction):
    """V of a numbered state: values [S]."""

    values: Array

    def __call__(self, observation: Array, memory: Any = None) -> Array:
        return self.values[observation]


class Table(Policy):
    """Softmax over a row of logits [S, A]."""

    logits: Array

    def __call__(self, observation: Array, memory: Any = None) -> Categorical:
        return Categorical(self.logits[observation])

    def value_function(self, key: Array) -> TableValue:
        return TableValue(jnp.zeros(self.logits.shape[0]))


class AffineValue(ValueFunction):
    """w . o + b."""

    weights: Array  # [D]
    bias: Array  # scalar

    def __call__(self, observation: Array, memory: Any = None) -> Array:
        return jnp.sum(self.weights * observation) + self.bias


class Affine(Policy):
    """Softmax over W o + b."""

    weights: Array  # [A, D]
    bias: Array  # [A]

    @classmethod
    def zeros(cls, n_actions: int, size: int) -> Affine:
        return cls(jnp.zeros((n_actions, size)), jnp.zeros(n_actions))

    def __call__(self, observation: Array, memory: Any = None) -> Categorical:
        return Categorical(self.weights @ observation + self.bias)

    def value_function(self, key: Array) -> AffineValue:
        return AffineValue(jnp.zeros(self.weights.shape[1]), jnp.zeros(()))


class Rememberer(Policy):
    """Adds up what it has seen, and acts on the sum: logits W [o, memory] + b."""

    has_memory: ClassVar[bool] = True
    weights: Array  # [A, 2 D]
    bias: Array  # [A]
    size: int = eqx.field(static=True, default=1)

    def initial_memory(self) -> Array:
        return jnp.zeros(self.size)

    def __call__(self, observation: Array, memory: Any = None) -> Any:
        read = jnp.concatenate([observation, memory])
        return Categorical(self.weights @ read + self.bias), memory + observation

    def value_function(self, key: Array) -> RemembererValue:
        return RemembererValue(jnp.zeros(2 * self.size), jnp.zeros(()), self.size)


class RemembererValue(ValueFunction):
    """The value function beside `Rememberer`: w . [o, memory] + b."""

    has_memory: ClassVar[bool] = True
    weights: Array  # [2 D]
    bias: Array
    size: int = eqx.field(static=True, default=1)

    def initial_memory(self) -> Array:
        return jnp.zeros(self.size)

    def __call__(self, observation: Array, memory: Any = None) -> Any:
        read = jnp.concatenate([observation, memory])
        return jnp.sum(self.weights * read) + self.bias, memory + observation


def population(key: Array, policy: Policy, size: int) -> Policy:
    """`size` copies of a policy with standard normal noise on every number."""
    leaves, structure = jax.tree.flatten(policy)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        leaf[None] + jax.random.normal(k, (size, *leaf.shape))
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)
