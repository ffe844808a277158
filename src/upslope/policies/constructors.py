"""Policies by their sizes, for code that has no spaces: a body and a head in one call.

They are functions with the names of what they make; every one gives a `NetworkPolicy`.
"""

from __future__ import annotations

from collections.abc import Sequence

from upslope.core.annotations import Key
from upslope.policies.bodies import LinearBody, MLPBody, RecurrentBody
from upslope.policies.encoding import Categories
from upslope.policies.heads import (
    BernoulliHead,
    BetaHead,
    GaussianHead,
    Head,
    ModeHead,
    MultiSoftmaxHead,
    PointHead,
    SoftmaxHead,
    SquashedGaussianHead,
)
from upslope.policies.network import NetworkPolicy

Sizes = Sequence[int]


def _dense(
    key: Key,
    in_size: int,
    head: Head,
    hidden: Sizes,
    activation: str,
    out_gain: float,
    categories: Categories,
) -> NetworkPolicy:
    n_outputs = head.n_outputs
    body = MLPBody.fresh(key, in_size, n_outputs, hidden, activation, out_gain, categories)
    return NetworkPolicy(body, head)


def SoftmaxNetwork(
    key: Key,
    in_size: int,
    n_actions: int,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    categories: Categories = (),
) -> NetworkPolicy:
    """A softmax over preferences that a dense network computes; nearly uniform at first."""
    head = SoftmaxHead(n_actions)
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def MultiSoftmaxNetwork(
    key: Key,
    in_size: int,
    nvec: Sizes,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    categories: Categories = (),
) -> NetworkPolicy:
    """Independent softmax choices, the preferences of all of them from one dense network."""
    head = MultiSoftmaxHead(tuple(int(n) for n in nvec))
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def BernoulliNetwork(
    key: Key,
    in_size: int,
    shape: Sizes,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    categories: Categories = (),
) -> NetworkPolicy:
    """Independent switches, the log-odds of all of them from one dense network."""
    head = BernoulliHead(tuple(shape))
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def GaussianNetwork(
    key: Key,
    in_size: int,
    shape: Sizes,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
    categories: Categories = (),
) -> NetworkPolicy:
    """A Gaussian around the mean that a dense network computes, without bounds."""
    head = GaussianHead(tuple(shape), log_std_init, state_dependent_std)
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def SquashedGaussianNetwork(
    key: Key,
    in_size: int,
    low: Sequence[float],
    high: Sequence[float],
    shape: Sizes | None = None,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = True,
    categories: Categories = (),
) -> NetworkPolicy:
    """A Gaussian squashed into finite bounds by tanh, mean and scale from a dense network."""
    shape = (len(low),) if shape is None else tuple(shape)
    gaussian = GaussianHead(shape, log_std_init, state_dependent_std)
    head = SquashedGaussianHead(gaussian, low, high)
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def BetaNetwork(
    key: Key,
    in_size: int,
    low: Sequence[float],
    high: Sequence[float],
    shape: Sizes | None = None,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    categories: Categories = (),
) -> NetworkPolicy:
    """Beta-distributed actions on finite bounds, both concentrations from a dense network."""
    head = BetaHead(low, high, (len(low),) if shape is None else tuple(shape))
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def DeterministicNetwork(
    key: Key,
    in_size: int,
    head: ModeHead | PointHead,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 1.0,
    categories: Categories = (),
) -> NetworkPolicy:
    """One action for each observation: the best of the preferences, or the network's output."""
    return _dense(key, in_size, head, hidden, activation, out_gain, categories)


def LinearGaussian(
    key: Key,
    in_size: int,
    shape: Sizes,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
    categories: Categories = (),
) -> NetworkPolicy:
    r"""A Gaussian whose mean, and if wanted log standard deviation, is linear in the observation.

    .. math:: \mu(s) = W_\mu^\top x(s) + b_\mu, \quad
              \sigma(s) = \exp\big(W_\sigma^\top x(s) + b_\sigma\big)

    Weights are zero at first.

    References:
      Sutton and Barto (2018), equation 13.20 and exercise 13.4.
    """
    head = GaussianHead(tuple(shape), log_std_init, state_dependent_std)
    return NetworkPolicy(LinearBody.fresh(key, in_size, head.n_outputs, categories), head)


def DeterministicLinear(
    key: Key, in_size: int, head: ModeHead | PointHead, categories: Categories = ()
) -> NetworkPolicy:
    """One action for each observation, by a linear map; its weights are zero at first."""
    return NetworkPolicy(LinearBody.fresh(key, in_size, head.n_outputs, categories), head)


def RecurrentSoftmax(
    key: Key,
    in_size: int,
    n_actions: int,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    categories: Categories = (),
) -> NetworkPolicy:
    """A softmax over preferences that depend on the whole history of observations."""
    body = RecurrentBody.fresh(key, in_size, n_actions, hidden, activation, out_gain, categories)
    return NetworkPolicy(body, SoftmaxHead(n_actions))


def RecurrentGaussian(
    key: Key,
    in_size: int,
    shape: Sizes,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
    categories: Categories = (),
) -> NetworkPolicy:
    """A Gaussian whose mean depends on the whole history of observations."""
    head = GaussianHead(tuple(shape), log_std_init, state_dependent_std)
    n_outputs = head.n_outputs
    body = RecurrentBody.fresh(key, in_size, n_outputs, hidden, activation, out_gain, categories)
    return NetworkPolicy(body, head)
