"""The contract every search method keeps."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Int

from upslope.core.annotations import Key, PyTree
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.actor import Actor
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns, ExperienceSpec

if TYPE_CHECKING:
    from gymnasium import spaces

State = TypeVar("State")
Experience = TypeVar("Experience")


class ProblemSpec(NamedTuple):
    """The problem that a method is configured for: shapes and static facts, no numbers."""

    observation: PyTree  # ShapeDtypeStructs of one observation; None for a function
    observation_space: spaces.Space[Any] | None
    action_space: spaces.Space[Any] | None
    policy: PyTree  # shapes of the policy the search starts from
    objective: Objective
    environment: Environment | None  # None on simulators


class Defaults(NamedTuple):
    """What a run of the method uses where the user says nothing.

    Attributes:
      policy: a kind of policy; None for the one that fits the spaces.
      objective: a registered name.
      objective_settings: its fields.
      total_timesteps: environment steps per seed.
      example: an environment in which it can be tried.
      seeds: how many searches run side by side.
      evaluations: how often the solutions are evaluated on the way.
      evaluation_episodes: held-out episodes each time.
      final_episodes: held-out episodes at the end.
      divides: a size, and those whose product it has to divide. Where the user changes these so
        that a preset's size no longer does, the method's own default takes its place.
    """

    policy: str | None = None
    objective: str = "episodic"
    objective_settings: Mapping[str, Any] = MappingProxyType({})
    total_timesteps: int = 100_000
    seeds: int = 4
    evaluations: int | None = None
    evaluation_episodes: int | None = None
    final_episodes: int | None = None
    example: str = "CartPole-v1"
    divides: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Part(NamedTuple):
    """A setting that names something with settings of its own, as `model` has `model_settings`.

    Attributes:
      find: the class or factory of a name; raises `UpslopeError` for an unknown one.
      hide: settings of it that are not the user's to give.
    """

    find: Callable[[str], Callable[..., Any]]
    hide: tuple[str, ...] = ()


class SearchMethod(eqx.Module, Generic[State, Experience]):
    """Ask which policies to try, tell what happened, and say which one is best so far.

    Its leaves are its hyper-parameters; sizes are static. Every method is pure: `init`, `ask` and
    `tell` can be jitted, vmapped over seeds and scanned over iterations.

    Attributes:
      name: the command line's name for it.
      defaults: of a run with it.
      experience: what it wants back from the environment.
      parts: settings that name something with settings of its own. A class attribute.
      writes_by_index: whether a step changes single entries of a large state. Seeds of a device
        then run one after the other: with an axis of seeds such writes become scatters, which
        XLA's CPU backend makes far slower. A class attribute.
      plays_both_sides: whether it searches a game of two players itself, and moves for both. It is
        then given the `AlternatingGame`, whoever the environment's opponent is, and its solutions
        are evaluated against that one. A class attribute.
      plays_alone: whether it searches tasks for one player, too, where it plays both sides of
        games. A class attribute.
    """

    name: ClassVar[str] = "method"
    defaults: ClassVar[Defaults] = Defaults()
    parts: ClassVar[Mapping[str, Part]] = MappingProxyType({})
    writes_by_index: ClassVar[bool] = False
    plays_both_sides: ClassVar[bool] = False
    plays_alone: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def experience(self) -> ExperienceSpec:
        """What the method wants back; static."""

    @property
    def follows_score(self) -> bool:
        """Whether it needs the gradient of log pi, which not every policy has."""
        return not isinstance(self.experience, EpisodeReturns)

    def configure(self, spec: ProblemSpec) -> SearchMethod[State, Experience]:
        """The method fitted to a problem: sizes that depend on it are set here.

        Raises:
          UpslopeError: the method cannot search this problem: why not, and what to use instead.
        """
        return self

    def sampled_in(self, environment: Environment) -> Environment:
        """What it samples for the environment that it searches: that one, or a wrapper of it."""
        return environment

    def population_for(self, dimension: int) -> int | None:
        """The published population size for D dimensions; None where there is no such rule."""
        return None

    def priorities(self, state: State) -> Float[Array, "B M"] | None:
        """Of the windows that the last `tell` saw, [B, M]; None leaves them as they are."""
        return None

    @abc.abstractmethod
    def init(self, key: Key, policy: Policy, objective: Objective) -> State:
        """The first state of a search that starts at `policy`. The key is consumed."""

    @abc.abstractmethod
    def ask(self, key: Key, state: State) -> Actor:
        """The actor to try next; a population has a leading axis [P]. The key is consumed."""

    @abc.abstractmethod
    def tell(
        self,
        key: Key,
        state: State,
        candidates: Any,
        experience: Experience,
        objective: Objective,
    ) -> tuple[State, Any]:
        """The next state and this iteration's diagnostics, a NamedTuple. The key is consumed.

        Args:
          candidates: what `ask` gave; a method names its own class of actors here.
          experience: what the method's `experience` asks for, of these candidates.
        """

    @abc.abstractmethod
    def solution(self, state: State) -> Actor:
        """The policy to keep, as of this state."""

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        """One line for the user at the end of a run, when its diagnostics ask for it.

        Args:
          diagnostics: each one's mean over the last part of the run; NaN when it never was known.
        """
        return None

    def stopped(self, state: State) -> Int[Array, ""]:
        """A code of why the search cannot be expected to move any more, 0 while it can."""
        return jnp.zeros((), int)

    def stop_reason(self, code: int) -> str:
        """What a code of `stopped` means, in words."""
        return "nothing moves any more"

    def scheduled_by_budget(self) -> tuple[str, ...]:
        """Settings in use whose effect depends on how much of `total_timesteps` is left."""
        names = (field.name for field in dataclasses.fields(self))
        return tuple(n for n in names if n.endswith("_schedule") and getattr(self, n) == "linear")

    def asks_per_iteration(self, dimension: int) -> int:
        """How many asks an iteration of the literature takes at most, which `maxiter` counts."""
        return 1

    def converged(self, code: int) -> bool:
        """Whether a code of `stopped` says that the search has arrived, not that it has failed."""
        return code != 0
