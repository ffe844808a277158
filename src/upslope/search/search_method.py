"""The contract every search method keeps."""

from __future__ import annotations

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import ExperienceSpec


class SearchMethod(eqx.Module):
    """Ask which policies to try, tell what happened, and say which one is best so far.

    Its leaves are its hyper-parameters; sizes are static. Every method is pure: `init`, `ask` and
    `tell` can be jitted, vmapped over seeds and scanned over iterations.

    Attributes:
      name: the command line's name for it.
      experience: what it wants back from the world.
      usual_timesteps: the budget of a run that names none.
    """

    name: ClassVar[str] = "method"
    usual_timesteps: ClassVar[int] = 100_000

    @property
    @abc.abstractmethod
    def experience(self) -> ExperienceSpec:
        """What the method wants back; static."""

    def for_policy(self, policy: Any) -> SearchMethod:
        """The same method, with what it asks for fitted to the policy it will start from.

        Most ask for the same whatever the policy; coordinate differences need to know its size.

        Args:
          policy: arrays, or their shapes and types.
        """
        return self

    def check_problem(self, world: Any, policy: Any, objective: Objective) -> None:
        """Refuses what the method cannot search, before any work. Most can search anything.

        Args:
          world: the environment.
          policy: shapes and types of the policy it will start from.
          objective: J.

        Raises:
          UpslopeError: why not, and what to use instead.
        """

    @abc.abstractmethod
    def init(self, key: Array, policy: Policy, objective: Objective) -> Any:
        """The first state of a search that starts at `policy`. The key is consumed."""

    @abc.abstractmethod
    def ask(self, key: Array, state: Any) -> Policy:
        """The policy to try next; a population has a leading axis [P]. The key is consumed."""

    @abc.abstractmethod
    def tell(
        self, key: Array, state: Any, candidates: Policy, experience: Any, objective: Objective
    ) -> tuple[Any, Any]:
        """The next state and this iteration's diagnostics. The key is consumed."""

    @abc.abstractmethod
    def solution(self, state: Any) -> Policy:
        """The policy to keep, as of this state."""

    def advice(self, diagnostics: dict[str, float]) -> str | None:
        """One line for the user at the end of a run, when its diagnostics ask for it.

        Args:
          diagnostics: each one's mean over the last part of the run; NaN when it never was known.
        """
        return None

    def stopped(self, state: Any) -> Array:
        """A code of why the search cannot be expected to move any more, 0 while it can; an int."""
        return jnp.zeros((), int)

    def stop_reason(self, code: int) -> str:
        """What a code of `stopped` means, in words."""
        return "nothing moves any more"
