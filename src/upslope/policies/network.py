"""A dense network and a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
from jax import Array

from upslope.core.checks import UpslopeError
from upslope.core.distributions.distribution import Distribution
from upslope.core.networks import MLP
from upslope.policies.encoding import encode
from upslope.policies.heads import Head
from upslope.policies.policy import Policy, ValueFunction


class NetworkPolicy(Policy):
    """A multilayer perceptron whose outputs a head turns into a distribution.

    Attributes:
      network: observation [I] to the head's outputs.
      head: outputs to the distribution.
      categories: sizes of the one-hot blocks of a discrete observation; empty for numbers. Static.
    """

    network: MLP
    head: Head
    categories: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        key: Array,
        in_size: int,
        head: Head,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        check_categories(type(self).__name__, in_size, categories)
        self.network = MLP(key, in_size, hidden, head.n_outputs, activation, out_gain)
        self.head = head
        self.categories = tuple(categories)

    def __call__(self, observation: Array, memory: Any = None) -> Distribution:
        return self.head(self.network(encode(observation, self.categories)))

    def value_function(self, key: Array) -> NetworkValue:
        return NetworkValue(self.network.alike(key, 1, 1.0), self.categories)


class NetworkValue(ValueFunction):
    """V(s) as a multilayer perceptron.

    Attributes:
      network: observation [I] to one number.
      categories: as in `NetworkPolicy`. Static.
    """

    network: MLP
    categories: tuple[int, ...] = eqx.field(static=True, default=())

    def __call__(self, observation: Array, memory: Any = None) -> Array:
        return self.network(encode(observation, self.categories))[0]


def check_categories(owner: str, in_size: int, categories: tuple[int, ...]) -> None:
    """Raises UpslopeError unless one-hot blocks of these sizes make a vector of `in_size`."""
    if categories and sum(categories) != in_size:
        raise UpslopeError(
            f"{owner} got in_size={in_size} and categories={tuple(categories)}: the one-hot blocks "
            f"make a vector of {sum(categories)}."
        )
