"""Softmax policies whose preferences a network computes."""

from __future__ import annotations

from collections.abc import Sequence

from jax import Array

from upslope.policies.heads import BernoulliHead, MultiSoftmaxHead, SoftmaxHead
from upslope.policies.network import NetworkPolicy


class SoftmaxNetwork(NetworkPolicy):
    r"""A softmax over preferences h(s, a) that a dense network computes.

    .. math:: \pi(a \mid s) \propto e^{h_\theta(s, a)}

    At first nearly uniform (`out_gain` is small).

    References:
      Sutton and Barto (2018), section 13.1.
    """

    def __init__(
        self,
        key: Array,
        in_size: int,
        n_actions: int,
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        head = SoftmaxHead(n_actions)
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)


class MultiSoftmaxNetwork(NetworkPolicy):
    """Independent softmax choices, the preferences of all of them from one dense network."""

    def __init__(
        self,
        key: Array,
        in_size: int,
        nvec: Sequence[int],
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        head = MultiSoftmaxHead(tuple(int(n) for n in nvec))
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)


class BernoulliNetwork(NetworkPolicy):
    """Independent Bernoulli-logistic switches, the log-odds of all of them from one dense network.

    References:
      Williams (1992), section 4.
    """

    def __init__(
        self,
        key: Array,
        in_size: int,
        shape: tuple[int, ...],
        hidden: Sequence[int] = (64, 64),
        activation: str = "tanh",
        out_gain: float = 0.01,
        categories: tuple[int, ...] = (),
    ):
        head = BernoulliHead(tuple(shape))
        super().__init__(key, in_size, head, hidden, activation, out_gain, categories)
