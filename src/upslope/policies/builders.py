"""From the spaces of an environment to a policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from upslope.core.annotations import Key
from upslope.core.checks import UpslopeError
from upslope.policies.bodies import (
    BoardBody,
    Body,
    ConvolutionalBody,
    LinearBody,
    MLPBody,
    RecurrentBody,
)
from upslope.policies.features import ProductFeatures
from upslope.policies.heads.by_action import HEADS
from upslope.policies.linear_softmax import LinearSoftmax
from upslope.policies.network import NetworkPolicy
from upslope.policies.spaces import ObservationShape, action_shape, observation_shape
from upslope.policies.tabular_softmax import TabularSoftmax

if TYPE_CHECKING:
    from gymnasium import spaces

Settings = Mapping[str, Any]


def mlp(key: Key, obs: ObservationShape, n_outputs: int, s: Settings) -> MLPBody:
    """A dense network."""
    sizes = (s["hidden"], s["activation"], s["out_gain"])
    return MLPBody.fresh(key, obs.size, n_outputs, *sizes, obs.categories)


def linear(key: Key, obs: ObservationShape, n_outputs: int, s: Settings) -> LinearBody:
    """A linear map, zero at first."""
    return LinearBody.fresh(key, obs.size, n_outputs, obs.categories)


def recurrent(key: Key, obs: ObservationShape, n_outputs: int, s: Settings) -> RecurrentBody:
    """A gated recurrent unit between dense layers."""
    sizes = (s["hidden"], s["activation"], s["out_gain"])
    return RecurrentBody.fresh(key, obs.size, n_outputs, *sizes, obs.categories)


def convolutional(
    key: Key, obs: ObservationShape, n_outputs: int, s: Settings
) -> ConvolutionalBody:
    """A convolutional network."""
    height, width, depth = obs.shape
    sizes = (s["dense_size"], s["activation"], s["out_gain"])
    return ConvolutionalBody.fresh(key, (height, width, depth), n_outputs, *sizes)


def board(key: Key, obs: ObservationShape, n_outputs: int, s: Settings) -> BoardBody:
    """A convolution over a board, and dense layers."""
    rest = obs.size - math.prod(obs.shape)
    assert obs.board_leaf is not None
    categories: Any = (*obs.categories[: obs.board_leaf], *obs.categories[obs.board_leaf + 1 :])
    sizes = (s["channels"], s["kernel"], s["hidden"], s["activation"], s["out_gain"])
    return BoardBody.fresh(key, obs.shape, n_outputs, rest, *sizes, categories)


BODIES: Mapping[str, Callable[[Key, ObservationShape, int, Settings], Body]] = {
    "mlp": mlp,
    "linear": linear,
    "recurrent": recurrent,
    "convolutional": convolutional,
    "board": board,
}


def build_network(
    key: Key,
    observation_space: spaces.Space,
    action_space: spaces.Space,
    body: str,
    head: str,
    settings: Settings,
) -> NetworkPolicy:
    """A policy of a body and a head that fit the spaces. The key is consumed.

    Args:
      observation_space: a gymnasium space.
      action_space: a gymnasium space.
      body: a name in `BODIES`.
      head: a name in `HEADS`.
      settings: all settings of both, by name.

    Raises:
      UpslopeError: for an `action_mask` of actions that are not chosen from a list.
    """
    obs, act = observation_shape(observation_space), action_shape(action_space)
    if obs.n_mask is not None and obs.n_mask != sum(act.nvec):
        raise UpslopeError(
            f"The observations {observation_space} have an 'action_mask' of {obs.n_mask} entries, "
            f"which does not fit the actions {action_space}: Discrete actions need one entry per "
            "action, MultiDiscrete ones the entries of all choices one after the other, and "
            "numbers cannot be masked (drop the field)."
        )
    std = (settings.get("log_std_init", 0.0), settings.get("state_dependent_std", False))
    chosen = HEADS[head](act, std)
    return NetworkPolicy(BODIES[body](key, obs, chosen.n_outputs, settings), chosen)


def tabular_softmax(
    key: Key, observation_space: spaces.Space, action_space: spaces.Space
) -> TabularSoftmax:
    """Equal preferences for all actions in all states."""
    states = observation_shape(observation_space).size
    return TabularSoftmax(jnp.zeros((states, action_shape(action_space).nvec[0])))


def linear_softmax(
    key: Key, observation_space: spaces.Space, action_space: spaces.Space, *, bias: bool = True
) -> LinearSoftmax:
    """Product features; theta is zero at first.

    Args:
      bias: whether every action has a preference that no observation changes.
    """
    obs = observation_shape(observation_space)
    features = ProductFeatures(action_shape(action_space).nvec[0], bias, obs.categories)
    return LinearSoftmax(jnp.zeros(features.size(obs.size)), features)
