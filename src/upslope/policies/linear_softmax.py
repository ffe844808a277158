"""The softmax of preferences linear in features."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from upslope.core.distributions import Categorical
from upslope.policies.features import FeatureMap
from upslope.policies.policy import Policy, ValueFunction


class LinearSoftmax(Policy):
    r"""A softmax over preferences that are linear in features of state and action.

    .. math:: \pi(a \mid s) \propto e^{\theta^\top \phi(s, a)}, \quad
              \nabla \log \pi(a \mid s) = \phi(s, a) - \sum_b \pi(b \mid s) \phi(s, b)

    Attributes:
      theta: [D].
      features: phi; carried, not searched.

    References:
      Sutton and Barto (2018), equations 13.2, 13.3 and 13.9.
    """

    theta: Array
    features: FeatureMap

    def __call__(self, observation: Array, memory: Any = None) -> Categorical:
        return Categorical(jax.lax.stop_gradient(self.features)(observation) @ self.theta)

    def value_function(self, key: Array) -> LinearValue:
        return LinearValue(jnp.zeros_like(self.theta), jnp.zeros(()), self.features)


class LinearValue(ValueFunction):
    r"""V(s), linear in the features averaged over the actions, zero at first.

    .. math:: V(s) = b + w^\top \frac1A \sum_a \phi(s, a)

    Attributes:
      weight: w [D].
      bias: b.
      features: phi; carried, not fitted.
    """

    weight: Array
    bias: Array
    features: FeatureMap

    def __call__(self, observation: Array, memory: Any = None) -> Array:
        phi = jax.lax.stop_gradient(self.features)(observation)
        return self.bias + jnp.mean(phi, axis=0) @ self.weight
