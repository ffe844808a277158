"""The policy that fits the spaces of an environment."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from upslope.core.annotations import Key, PyTree
from upslope.core.checks import UpslopeError, check_settings
from upslope.core.moments import Moments
from upslope.policies.normalized import NormalizedPolicy
from upslope.policies.policy import Policy
from upslope.policies.registry import FITS, POLICIES
from upslope.policies.spaces import (
    ObservationShape,
    action_shape,
    observation_shape,
    space_leaves,
)

if TYPE_CHECKING:
    from gymnasium import spaces

DEFAULT_HIDDEN = (64, 64)
DEFAULT_ACTIVATION = "tanh"


def default_policy(
    key: Key,
    observation_space: spaces.Space,
    action_space: spaces.Space,
    *,
    kind: str | None = None,
    hidden: Sequence[int] = DEFAULT_HIDDEN,
    activation: str = DEFAULT_ACTIVATION,
    normalize_observations: bool = False,
    **settings: Any,
) -> Policy:
    """A fresh policy for the spaces of an environment.

    Without a kind: a table for discrete observations and actions, a convolutional network for
    images, a dense network for the rest (trees and action masks included); softmax, Gaussian,
    multi-softmax or Bernoulli by the actions.

    Args:
      key: consumed.
      observation_space: a gymnasium space.
      action_space: a gymnasium space.
      kind: a name in `POLICIES`.
      hidden: sizes of the hidden layers, for kinds that have them.
      activation: its name, for kinds that have one.
      normalize_observations: standardise observations by their running moments.
      settings: the other settings of the kind, by name.

    Raises:
      UpslopeError: for a kind that does not fit the spaces (those that do are named), an unknown
        kind or setting, and spaces that no kind fits.
    """
    kind = choose_kind(observation_space, action_space) if kind is None else kind
    builder = POLICIES.get(kind)
    fitting = compatible_kinds(observation_space, action_space)
    if kind in FITS and kind not in fitting:
        raise incompatible(
            f"The policy {kind!r} does not fit", observation_space, action_space, fitting
        )

    known = list(inspect.signature(builder).parameters)[3:]
    if "hidden" in known or tuple(hidden) != DEFAULT_HIDDEN:
        settings["hidden"] = tuple(hidden)
    # Kinds differ in their default activation (images: relu): only a choice is handed on.
    if activation != DEFAULT_ACTIVATION:
        settings["activation"] = activation
    check_settings(f"The policy {kind!r}", settings, known)
    obs = observation_shape(observation_space)
    counted = _counted(observation_space, obs) if normalize_observations else None
    if normalize_observations and counted is None:
        raise UpslopeError(
            f"normalize_observations=True has no meaning for {observation_space}: discrete "
            "observations are one-hot and images are scaled already. Leave it out."
        )
    policy = builder(key, observation_space, action_space, **settings)
    if counted is not None:
        return NormalizedPolicy(policy, Moments.zeros_like(counted))
    return policy


def _counted(space: spaces.Space, obs: ObservationShape) -> PyTree | None:
    """The shapes of what is standardised; None where nothing would be."""
    if obs.kind not in ("tree", "board"):
        fine = not obs.categories and obs.kind != "image"
        return jax.ShapeDtypeStruct(obs.shape, float) if fine else None
    floats = [x for x in space_leaves(space) if np.issubdtype(x.dtype or int, np.floating)]
    return shapes_of(space) if floats else None


def shapes_of(space: spaces.Space) -> PyTree:
    """The shapes and types of the observations of a space, a tree like them."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return {name: shapes_of(space[name]) for name in space.spaces}
    if isinstance(space, spaces.Tuple):
        return tuple(shapes_of(part) for part in space.spaces)
    return jax.ShapeDtypeStruct(space.shape or (), jax.dtypes.canonicalize_dtype(space.dtype))


def choose_kind(observation_space: spaces.Space, action_space: spaces.Space) -> str:
    """The kind of policy for these spaces when the user names none."""
    obs, act = observation_shape(observation_space).kind, action_shape(action_space).kind
    if obs == "other" or act == "other":
        raise incompatible("No policy fits", observation_space, action_space, [])
    if obs == "image":
        return "convolutional"
    if obs == "discrete" and act == "discrete":
        return "tabular-softmax"
    by_action = {"discrete": "softmax", "multi-discrete": "multi-softmax"}
    return by_action.get(act, "bernoulli" if act == "multi-binary" else "gaussian")


def compatible_kinds(observation_space: spaces.Space, action_space: spaces.Space) -> list[str]:
    """The names of the kinds of policy made for these spaces."""
    obs, act = observation_shape(observation_space).kind, action_shape(action_space).kind
    return [name for name, fit in FITS.items() if obs in fit.observations and act in fit.actions]


def incompatible(
    what: str, observation_space: spaces.Space, action_space: spaces.Space, fitting: Sequence[str]
) -> UpslopeError:
    """The error for a policy that does not fit, with the ones that do."""
    if fitting:
        remedy = f"These fit: {', '.join(fitting)}."
    else:
        remedy = (
            "Observations must be Box, Discrete, MultiDiscrete or MultiBinary, or Dict and Tuple "
            "spaces of these with more in them than an action mask; actions Discrete, "
            "MultiDiscrete, MultiBinary or Box (of floats). Flatten other spaces with a wrapper, "
            "for example gymnasium.wrappers.FlattenObservation."
        )
    return UpslopeError(
        f"{what} observations {observation_space} and actions {action_space}. {remedy}"
    )
