"""The smallest policies that the contracts allow, so that tests know every number in them."""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.distributions.categorical import Categorical
from upslope.core.networks import Linear
from upslope.policies.bodies import Body, LinearBody, TableBody
from upslope.policies.policy import Policy


class Table(Policy):
    """Softmax over a row of logits [S, A]."""

    logits: Array

    def __call__(self, observation: Array, memory: Any = None) -> Categorical:
        return Categorical(self.logits[observation])

    def network_like(self, key: Array, n_outputs: int, n_extra_inputs: int = 0) -> TableBody:
        return TableBody(jnp.zeros((self.logits.shape[0], n_outputs)))


class Affine(Policy):
    """Softmax over W o + b."""

    weights: Array  # [A, D]
    bias: Array  # [A]

    @classmethod
    def zeros(cls, n_actions: int, size: int) -> Affine:
        return cls(jnp.zeros((n_actions, size)), jnp.zeros(n_actions))

    def __call__(self, observation: Array, memory: Any = None) -> Categorical:
        return Categorical(self.weights @ observation + self.bias)

    def network_like(self, key: Array, n_outputs: int, n_extra_inputs: int = 0) -> LinearBody:
        size = self.weights.shape[1]
        return LinearBody(Linear(jnp.zeros((size, n_outputs)), jnp.zeros(n_outputs)))


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

    def network_like(self, key: Array, n_outputs: int, n_extra_inputs: int = 0) -> RemembererBody:
        return RemembererBody(
            jnp.zeros((2 * self.size, n_outputs)), jnp.zeros(n_outputs), self.size
        )


class RemembererBody(Body):
    """The network of critics beside `Rememberer`: [o, memory] W + b."""

    has_memory: ClassVar[bool] = True
    weights: Array  # [2 D, O]
    bias: Array  # [O]
    size: int = eqx.field(static=True, default=1)

    def initial_memory(self) -> Array:
        return jnp.zeros(self.size)

    def __call__(self, observation: Array, memory: Any = (), extra: Any = None) -> Any:
        read = jnp.concatenate([observation, memory])
        return read @ self.weights + self.bias, memory + observation

    def like(self, key: Array, n_outputs: int, n_extra_inputs: int = 0) -> RemembererBody:
        return RemembererBody(
            jnp.zeros((2 * self.size, n_outputs)), jnp.zeros(n_outputs), self.size
        )


def population(key: Array, policy: Policy, size: int) -> Policy:
    """`size` copies of a policy with standard normal noise on every number."""
    leaves, structure = jax.tree.flatten(policy)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        leaf[None] + jax.random.normal(k, (size, *leaf.shape))
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, noisy)
