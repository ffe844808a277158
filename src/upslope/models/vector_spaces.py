"""The spaces of models of vectors, and steps as vectors."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from upslope.core.checks import UpslopeError
from upslope.core.records import Transitions
from upslope.models.rows import action_space_of, discrete_column, whole_numbers
from upslope.storage.space_json import space_from_json

if TYPE_CHECKING:
    from gymnasium import spaces


class VectorSpaces(NamedTuple):
    """What the vectors of a model are: observations [D], and choices or numbers."""

    n_observed: int  # D
    n_actions: int | None  # of a choice; None for numbers
    action_shape: tuple[int, ...]  # of numbers
    low: np.ndarray  # [D], the bounds of observations
    high: np.ndarray

    @classmethod
    def of(cls, observation_json: str, action_json: str) -> VectorSpaces:
        """Of the texts of two spaces that `checked_spaces` has let through."""
        observed = space_from_json(json.loads(observation_json))
        action = space_from_json(json.loads(action_json))
        count = getattr(action, "n", None)
        return cls(
            n_observed=observed.shape[0],  # pyright: ignore[reportOptionalSubscript]
            n_actions=None if count is None else int(count),
            action_shape=tuple(action.shape or ()),
            low=observed.low,  # pyright: ignore[reportAttributeAccessIssue]
            high=observed.high,  # pyright: ignore[reportAttributeAccessIssue]
        )

    @property
    def n_action_numbers(self) -> int:
        """A: how many numbers an action is to a network."""
        return math.prod(self.action_shape) if self.n_actions is None else self.n_actions

    def action_vector(self, action: Array) -> Float[Array, " A"]:
        """One action as numbers: as they are, or one-hot."""
        if self.n_actions is None:
            return jnp.asarray(action, float).reshape(-1)
        return jax.nn.one_hot(action, self.n_actions, dtype=jnp.zeros(()).dtype)


def checked_spaces(
    owner: str, observation_space: spaces.Space, action_space: spaces.Space, choices: bool
) -> None:
    """Refuses spaces whose steps are no vectors.

    Args:
      owner: whom the error names.
      observation_space: must be a Box [D].
      action_space: a Box, or Discrete from 0.
      choices: whether Discrete actions are understood.

    Raises:
      UpslopeError: says what else to use.
    """
    from gymnasium import spaces

    if isinstance(observation_space, spaces.Discrete):
        raise UpslopeError(
            f"{owner} models observations that are vectors, and got {observation_space}: use "
            "TabularModel, which counts."
        )
    if not isinstance(observation_space, spaces.Box) or len(observation_space.shape) != 1:
        raise UpslopeError(
            f"{owner} models observations that are vectors, a Box of one axis, and got "
            f"{observation_space}: put them into one vector (gymnasium.wrappers."
            "FlattenObservation); images are too many numbers to predict one by one."
        )
    fits = isinstance(action_space, spaces.Box) or (
        choices and isinstance(action_space, spaces.Discrete) and action_space.start == 0
    )
    if not fits:
        wanted = "Box or Discrete (from 0)" if choices else "Box"
        remedy = "" if choices else " EnsembleModel takes Discrete actions."
        raise UpslopeError(f"{owner} models {wanted} actions, and got {action_space}.{remedy}")


def spaces_of(owner: str, data: Transitions) -> tuple[spaces.Space, spaces.Space]:
    """The spaces that a data set of vectors speaks of.

    Actions lie in the box around those seen: what lies beyond, a model knows nothing of.
    """
    from gymnasium import spaces

    shape = np.shape(data.observation)[1:]
    if len(shape) != 1:
        raise UpslopeError(
            f"{owner} got observations of shape {shape} per step: it models vectors (D,). States "
            "that are numbers 0, 1, 2, ... are TabularModel's."
        )
    observed = spaces.Box(-np.inf, np.inf, shape, np.float32)
    actions = np.asarray(data.action)
    if whole_numbers(actions):
        actions = discrete_column(owner, "action", actions, None)
    return observed, action_space_of(actions)


def check_fits(owner: str, data: Transitions, known: VectorSpaces) -> Transitions:
    """The rows, if they are steps of these spaces, with actions of the right type.

    Raises:
      UpslopeError: observations of another length, or actions unlike those of the model.
    """
    observed = np.shape(data.observation)[1:]
    if observed != (known.n_observed,):
        raise UpslopeError(
            f"{owner} got observations of shape {observed} per step, and models "
            f"{(known.n_observed,)}: fit a new model, or give it steps of its environment."
        )
    actions = np.asarray(data.action)
    if known.n_actions is not None:
        return data._replace(action=discrete_column(owner, "action", actions, known.n_actions))
    if actions.shape[1:] != known.action_shape:
        kind = "whole numbers" if whole_numbers(actions) else f"of shape {actions.shape[1:]}"
        raise UpslopeError(
            f"{owner} got actions that are {kind} per step, and models vectors of shape "
            f"{known.action_shape}: the data are of another environment."
        )
    return data
