"""The softmax over a table of preferences."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import Array

from upslope.core.distributions import Categorical
from upslope.policies.policy import Policy, ValueFunction


class TabularSoftmax(Policy):
    r"""One preference for each state and action; the observation is the state, an int scalar.

    .. math:: \pi(a \mid s) = \frac{e^{h(s, a)}}{\sum_b e^{h(s, b)}}

    Every stochastic policy of a finite MDP with full support is one of these.

    Attributes:
      logits: h [S, A].

    References:
      Sutton and Barto (2018), equation 13.2.
    """

    logits: Array

    def __call__(self, observation: Array, memory: Any = None) -> Categorical:
        return Categorical(self.logits[observation])

    def value_function(self, key: Array) -> TabularValue:
        return TabularValue(jnp.zeros(self.logits.shape[0]))


class TabularValue(ValueFunction):
    """V(s) as a table, zero at first.

    Attributes:
      values: [S].
    """

    values: Array

    def __call__(self, observation: Array, memory: Any = None) -> Array:
        return self.values[observation]
