"""One builder for each kind of policy: from the spaces of a world to the policy.

A builder is called with a key, the observation space, the action space and its own settings by
name; `default_policy` has checked that the kind fits the spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from upslope.policies import beta as betas
from upslope.policies import convolutional as convolutions
from upslope.policies import gaussian as gaussians
from upslope.policies import softmax_network as choices
from upslope.policies.deterministic import DeterministicLinear, DeterministicNetwork
from upslope.policies.features import ProductFeatures
from upslope.policies.heads import (
    BernoulliHead,
    GaussianHead,
    Head,
    ModeHead,
    MultiSoftmaxHead,
    PointHead,
    SoftmaxHead,
)
from upslope.policies.linear_softmax import LinearSoftmax
from upslope.policies.recurrent import RecurrentGaussian, RecurrentPolicy, RecurrentSoftmax
from upslope.policies.spaces import ActionShape, action_shape, observation_shape
from upslope.policies.squashed_gaussian import SquashedGaussianNetwork
from upslope.policies.tabular_softmax import TabularSoftmax

Sizes = Sequence[int]


def tabular_softmax(key: Array, observation_space: Any, action_space: Any) -> TabularSoftmax:
    """Equal preferences for all actions in all states."""
    states = observation_shape(observation_space).size
    return TabularSoftmax(jnp.zeros((states, action_shape(action_space).nvec[0])))


def linear_softmax(
    key: Array, observation_space: Any, action_space: Any, *, bias: bool = True
) -> LinearSoftmax:
    """Product features; theta is zero at first."""
    seen = observation_shape(observation_space)
    features = ProductFeatures(action_shape(action_space).nvec[0], bias, seen.categories)
    return LinearSoftmax(jnp.zeros(features.size(seen.size)), features)


def softmax(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
) -> choices.SoftmaxNetwork:
    """A dense network with one preference for each action."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return choices.SoftmaxNetwork(
        key, seen.size, done.nvec[0], hidden, activation, out_gain, seen.categories
    )


def multi_softmax(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
) -> choices.MultiSoftmaxNetwork:
    """A dense network with one preference for each choice of each factor."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return choices.MultiSoftmaxNetwork(
        key, seen.size, done.nvec, hidden, activation, out_gain, seen.categories
    )


def bernoulli(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
) -> choices.BernoulliNetwork:
    """A dense network with the log-odds of each switch."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return choices.BernoulliNetwork(
        key, seen.size, done.shape, hidden, activation, out_gain, seen.categories
    )


def gaussian_linear(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
) -> gaussians.LinearGaussian:
    """Zero mean at first."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return gaussians.LinearGaussian(
        key, seen.size, done.shape, log_std_init, state_dependent_std, seen.categories
    )


def gaussian(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
) -> gaussians.GaussianNetwork:
    """A dense network for the mean."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return gaussians.GaussianNetwork(
        key,
        seen.size,
        done.shape,
        hidden,
        activation,
        out_gain,
        log_std_init,
        state_dependent_std,
        seen.categories,
    )


def squashed_gaussian(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = True,
) -> SquashedGaussianNetwork:
    """A dense network for mean and scale before squashing."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return SquashedGaussianNetwork(
        key,
        seen.size,
        done.low,
        done.high,
        done.shape,
        hidden,
        activation,
        out_gain,
        log_std_init,
        state_dependent_std,
        seen.categories,
    )


def beta(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
) -> betas.BetaNetwork:
    """A dense network for both concentrations."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    return betas.BetaNetwork(
        key,
        seen.size,
        done.low,
        done.high,
        done.shape,
        hidden,
        activation,
        out_gain,
        seen.categories,
    )


def deterministic(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 1.0,
) -> DeterministicNetwork:
    """A dense network that decides."""
    seen, head = observation_shape(observation_space), decision_head(action_shape(action_space))
    return DeterministicNetwork(key, seen.size, head, hidden, activation, out_gain, seen.categories)


def deterministic_linear(
    key: Array, observation_space: Any, action_space: Any
) -> DeterministicLinear:
    """A linear map that decides."""
    seen, head = observation_shape(observation_space), decision_head(action_shape(action_space))
    return DeterministicLinear(key, seen.size, head, seen.categories)


def recurrent(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    hidden: Sizes = (64, 64),
    activation: str = "tanh",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
) -> RecurrentPolicy:
    """A softmax or Gaussian (or what the actions need) with a memory."""
    seen, done = observation_shape(observation_space), action_shape(action_space)
    rest = (hidden, activation, out_gain)
    if done.kind == "discrete":
        return RecurrentSoftmax(key, seen.size, done.nvec[0], *rest, seen.categories)
    if done.kind in ("box", "bounded"):
        std = (log_std_init, state_dependent_std)
        return RecurrentGaussian(key, seen.size, done.shape, *rest, *std, seen.categories)
    return RecurrentPolicy(key, seen.size, _choice(done), *rest, seen.categories)


def convolutional(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    dense_size: int = 128,
    activation: str = "relu",
    out_gain: float = 0.01,
    log_std_init: float = 0.0,
    state_dependent_std: bool = False,
) -> convolutions.ConvolutionalPolicy:
    """A softmax or Gaussian (or what the actions need) that looks at images."""
    height, width, depth = observation_shape(observation_space).shape
    image, done = (height, width, depth), action_shape(action_space)
    rest = (dense_size, activation, out_gain)
    if done.kind == "discrete":
        return convolutions.ConvolutionalSoftmax(key, image, done.nvec[0], *rest)
    if done.kind in ("box", "bounded"):
        std = (log_std_init, state_dependent_std)
        return convolutions.ConvolutionalGaussian(key, image, done.shape, *rest, *std)
    return convolutions.ConvolutionalPolicy(key, image, _choice(done), *rest)


def _choice(done: ActionShape) -> Head:
    if done.kind == "discrete":
        return SoftmaxHead(done.nvec[0])
    if done.kind == "multi-discrete":
        return MultiSoftmaxHead(done.nvec)
    if done.kind == "multi-binary":
        return BernoulliHead(done.shape)
    return GaussianHead(done.shape)


def decision_head(done: ActionShape) -> ModeHead | PointHead:
    """The head of policies that decide instead of drawing."""
    if done.kind == "bounded":
        return PointHead(done.shape, done.low, done.high)
    if done.kind == "box":
        return PointHead(done.shape)
    return ModeHead(_choice(done))
