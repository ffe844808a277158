"""Features of states and actions for linear policies."""

from __future__ import annotations

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import Observation
from upslope.core.non_trainable import NonTrainable
from upslope.policies.encoding import Categories, encode
from upslope.policies.twin.bodies import TwinBody, TwinMLP, TwinTable
from upslope.policies.twin.encoding import TwinEncoding
from upslope.policies.twin.heads import TwinSoftmax


class FeatureMap(NonTrainable):
    """phi(s, a) of all actions at once. Its numbers are given: frozen, never trained.

    To use your own features, subclass it: sizes are static fields, numbers are leaves.
    """

    @abc.abstractmethod
    def __call__(self, observation: Observation) -> Float[Array, "A D"]:
        """phi(s, .) [A, D]."""

    def numpy(self, theta: np.ndarray) -> tuple[TwinBody, TwinSoftmax] | None:
        """The preferences theta . phi(s, .) and their softmax without JAX; None for no such thing.

        Args:
          theta: [D].
        """
        return None


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
    categories: Categories = eqx.field(static=True, default=())

    def size(self, in_size: int) -> int:
        """D for observations of I numbers."""
        return self.n_actions * (in_size + int(self.bias))

    def __call__(self, observation: Observation) -> Float[Array, "A D"]:
        x = encode(observation, self.categories)
        if self.bias:
            x = jnp.append(x, 1.0)
        return jnp.kron(jnp.eye(self.n_actions), x[None, :])

    def numpy(self, theta: np.ndarray) -> tuple[TwinBody, TwinSoftmax]:
        weight = theta.reshape(self.n_actions, -1).T  # [I (+ 1), A]
        return _linear(weight, self.bias, self.categories), TwinSoftmax(self.n_actions)


class BernoulliFeatures(FeatureMap):
    """Two actions, phi(s, 1) = x(s) and phi(s, 0) = 0: the Bernoulli-logistic unit.

    Attributes:
      bias: whether a constant 1 is appended to the observation. Static.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.

    References:
      Sutton and Barto (2018), exercise 13.5; Williams (1992), section 4.
    """

    bias: bool = eqx.field(static=True, default=True)
    categories: Categories = eqx.field(static=True, default=())

    def size(self, in_size: int) -> int:
        """D for observations of I numbers."""
        return in_size + int(self.bias)

    def __call__(self, observation: Observation) -> Float[Array, "A D"]:
        x = encode(observation, self.categories)
        if self.bias:
            x = jnp.append(x, 1.0)
        return jnp.stack([jnp.zeros_like(x), x])

    def numpy(self, theta: np.ndarray) -> tuple[TwinBody, TwinSoftmax]:
        weight = np.stack([np.zeros_like(theta), theta], axis=1)
        return _linear(weight, self.bias, self.categories), TwinSoftmax(2)


class TableFeatures(FeatureMap):
    """Any features of a finite MDP; the observation is the state, an int scalar.

    Attributes:
      table: phi [S, A, D], floats.
    """

    table: Float[Array, "S A D"] = eqx.field(converter=lambda table: jnp.asarray(table, float))

    def __call__(self, observation: Observation) -> Float[Array, "A D"]:
        return self.table[observation]

    def numpy(self, theta: np.ndarray) -> tuple[TwinBody, TwinSoftmax]:
        return TwinTable(np.asarray(self.table) @ theta), TwinSoftmax(self.table.shape[1])


def _linear(weight: np.ndarray, bias: bool, categories: Categories) -> TwinMLP:
    rows = weight[:-1] if bias else weight
    constant = weight[-1] if bias else np.zeros(weight.shape[1], weight.dtype)
    return TwinMLP(TwinEncoding(categories), ((rows, constant),), "identity")
