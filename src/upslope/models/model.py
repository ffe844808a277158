"""The contract every fitted model keeps."""

from __future__ import annotations

import abc
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import equinox as eqx
from jax import Array
from jaxtyping import Float

from upslope.core.annotations import EnvironmentState, Key, Observation
from upslope.core.checks import UpslopeError
from upslope.core.records import Trajectories, Transitions
from upslope.environments.environment import Environment
from upslope.storage.space_json import space_from_json, space_to_json

if TYPE_CHECKING:
    from gymnasium import spaces

    from upslope.models.calibration import Calibration


class ModelDiagnostics(NamedTuple):
    """How good a model is on steps that it had not seen; NaN where a kind does not say."""

    loss: Float[Array, ""]  # what it was fitted by, mean over the batches
    model_error: Float[Array, ""]  # of one step: see `Model.update`
    reward_error: Float[Array, ""]  # root mean square, in standard deviations of the reward
    coverage: Float[Array, ""]  # share of the successors inside the 90 % intervals
    transitions: Float[Array, ""]  # steps it has been fitted to


@dataclass(frozen=True)
class FitReport:
    """What a fit to a whole data set found, and what it could not.

    Attributes:
      n_transitions: rows it was fitted to.
      n_held_out: rows kept apart, on which the errors are measured; 0 where none were, and the
        errors are those of the rows it was fitted to.
      model_error: of one step, as in `Model.update`.
      reward_error: root mean square, in standard deviations of the reward.
      unknown: what the model does not know, a sentence each.
      calibration: whether its intervals hold what they promise; None where it gives none.
      epochs: passes over the data; None where there is nothing to repeat.
    """

    n_transitions: int
    n_held_out: int
    model_error: float
    reward_error: float
    unknown: tuple[str, ...] = ()
    calibration: Calibration | None = None
    epochs: int | None = None

    def __str__(self) -> str:
        where = f"{self.n_held_out:,} held-out rows" if self.n_held_out else "the same rows"
        lines = [
            f"fitted to {self.n_transitions:,} transitions"
            + ("" if self.epochs is None else f", {self.epochs} passes"),
            f"error of one step {self.model_error:.4g}, of the reward {self.reward_error:.4g} "
            f"(on {where}; 1 is no better than a constant)",
        ]
        if self.calibration is not None:
            lines.append(str(self.calibration))
        return "\n".join([*lines, *(f"unknown: {sentence}" for sentence in self.unknown)])


class Model(Environment):
    """An environment that was learnt from steps of another one.

    Its state is the observation, so that it can only be right where the observation tells all that
    matters (`state_of` adds what a kind needs beside it). Any planner plans in it, any method can
    be trained in it, and `upslope.exact` reads the finite and the linear ones.

    A model is `configure`d for two spaces, and then fitted either at once (`fit`) or step by step
    (`update`). Neither changes its structure, and `update` is pure: it can be a part of a compiled
    loop.

    Attributes:
      example: an environment that it can be fitted to. A class attribute.
      n_batches: replayed batches that an `update` wants; 0 for none. Static.
      batch_size: steps of each. Static.
      observation_json: the space of observations; None before `configure`. Static.
      action_json: likewise of actions. Static.
    """

    example: ClassVar[str] = "Pendulum-v1"
    n_batches: eqx.AbstractVar[int]
    batch_size: eqx.AbstractVar[int]
    observation_json: eqx.AbstractVar[str | None]
    action_json: eqx.AbstractVar[str | None]

    @abc.abstractmethod
    def configure(self, observation_space: spaces.Space, action_space: spaces.Space) -> Self:
        """The model for these spaces, knowing nothing yet.

        Raises:
          UpslopeError: spaces that it cannot model, with a kind that can.
        """

    @abc.abstractmethod
    def initialize(self, key: Key) -> Self:
        """The configured model before it has seen a step, with random numbers where it has some.

        Pure: it can be vmapped over keys. The key is consumed.
        """

    @abc.abstractmethod
    def fit(self, key: Key, data: Transitions) -> tuple[Self, FitReport]:
        """The model fitted to a whole data set, forgetting what it knew. Not for compiled code.

        It configures itself where it is not yet. The key is consumed.

        Raises:
          UpslopeError: data that are no steps of these spaces, or too few.
        """

    @abc.abstractmethod
    def update(
        self, key: Key, fresh: Trajectories, batches: Trajectories | None
    ) -> tuple[Self, ModelDiagnostics]:
        """The model after more experience, and how well it had foreseen it.

        The errors are those of the model **before** it learns from `fresh`: of steps that it has
        not seen. `model_error` is the root mean square error of the successor, each component
        divided by the standard deviation of its change, so that 1 is no better than a constant; of
        finite models it is the mean probability that was given to other successors.

        Args:
          key: consumed.
          fresh: new steps [T, N, ...].
          batches: `n_batches` of `batch_size` steps drawn from all of them, [B, L, M, ...] as
            `Replay` gives them; None where `n_batches` is 0.
        """

    def state_of(self, observation: Observation, key: Key | None = None) -> EnvironmentState:
        """A state of the model in which this is observed: where a planner begins.

        Args:
          observation: of the environment that is modelled.
          key: chooses what the observation leaves open, if anything; consumed.
        """
        return observation

    def for_planning(self) -> Self:
        """The model without what only fitting needs: what is saved with a planner."""
        return self

    @property
    def observation_space(self) -> spaces.Space:
        return _space(type(self).__name__, self.observation_json)

    @property
    def action_space(self) -> spaces.Space:
        return _space(type(self).__name__, self.action_json)


def space_text(space: spaces.Space) -> str:
    """A space as text, which compares by its value."""
    return json.dumps(space_to_json(space), sort_keys=True)


def not_configured(owner: str) -> UpslopeError:
    """The error of a model that was asked before it knows what it is a model of."""
    return UpslopeError(
        f"{owner} has no spaces yet: model.fit(key, data) finds them in the data, and "
        "model.configure(observation_space, action_space) sets them."
    )


def _space(owner: str, text: str | None) -> Any:
    if text is None:
        raise not_configured(owner)
    return space_from_json(json.loads(text))
