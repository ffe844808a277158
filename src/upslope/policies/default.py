"""The policy that fits the spaces of a world."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from jax import Array

from upslope.core.checks import UpslopeError, check_settings
from upslope.core.moments import Moments
from upslope.policies.normalized import NormalizedPolicy
from upslope.policies.policy import Policy
from upslope.policies.registry import FITS, POLICIES
from upslope.policies.spaces import action_shape, observation_shape

DEFAULT_HIDDEN = (64, 64)
DEFAULT_ACTIVATION = "tanh"


def default_policy(
    key: Array,
    observation_space: Any,
    action_space: Any,
    *,
    kind: str | None = None,
    hidden: Sequence[int] = DEFAULT_HIDDEN,
    activation: str = DEFAULT_ACTIVATION,
    normalize_observations: bool = False,
    **settings: Any,
) -> Policy:
    """A fresh policy for the spaces of a world.

    Without a kind: a table for discrete observations and actions, a convolutional network for
    images, a dense network for the rest; softmax, Gaussian, multi-softmax or Bernoulli by the
    actions.

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
    seen = observation_shape(observation_space)
    if normalize_observations and (seen.categories or seen.kind == "image"):
        raise UpslopeError(
            f"normalize_observations=True has no meaning for {observation_space}: discrete "
            "observations are one-hot and images are scaled already. Leave it out."
        )
    policy = builder(key, observation_space, action_space, **settings)
    if normalize_observations:
        return NormalizedPolicy(policy, Moments.zeros(seen.shape))
    return policy


def choose_kind(observation_space: Any, action_space: Any) -> str:
    """The kind of policy for these spaces when the user names none."""
    seen, done = observation_shape(observation_space).kind, action_shape(action_space).kind
    if seen == "other" or done == "other":
        raise incompatible("No policy fits", observation_space, action_space, [])
    if seen == "image":
        return "convolutional"
    if seen == "discrete" and done == "discrete":
        return "tabular-softmax"
    by_action = {"discrete": "softmax", "multi-discrete": "multi-softmax"}
    return by_action.get(done, "bernoulli" if done == "multi-binary" else "gaussian")


def compatible_kinds(observation_space: Any, action_space: Any) -> list[str]:
    """The names of the kinds of policy made for these spaces."""
    seen, done = observation_shape(observation_space).kind, action_shape(action_space).kind
    return [name for name, fit in FITS.items() if seen in fit.observations and done in fit.actions]


def incompatible(
    what: str, observation_space: Any, action_space: Any, fitting: Sequence[str]
) -> UpslopeError:
    """The error for a policy that does not fit, with the ones that do."""
    if fitting:
        remedy = f"These fit: {', '.join(fitting)}."
    else:
        remedy = (
            "Observations must be Box, Discrete, MultiDiscrete or MultiBinary, actions the same "
            "(boxes of floats). Flatten Dict and Tuple spaces with a wrapper, for example "
            "gymnasium.wrappers.FlattenObservation."
        )
    return UpslopeError(
        f"{what} observations {observation_space} and actions {action_space}. {remedy}"
    )
