"""The contract of samplers: the only seam between a search and its environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from jax import Array

from upslope.core.records import EpisodeStatistics, Replayed
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.policies.actor import Actor
from upslope.sampling.experience import ExperienceSpec


class Sampler(Protocol):
    """What tries actors in an environment and returns the experience that a method asks for.

    **The same keys and actors give the same experience**, whichever process, device or machine it
    comes from and however many of them there are: a sampler is a function of (its state, keys,
    actors). `JaxSampler` is one, for one seed, inside the compiled program: a pytree whose leaves
    are its state.
    """

    @property
    def statistics(self) -> EpisodeStatistics:
        """Of the last call: episodes that ended, environment steps taken, the first NaN."""
        ...

    def sample(self, keys: Array, actors: Actor, /) -> tuple[Any, Sampler]:
        """Tries the actors.

        Args:
          keys: consumed.
          actors: one actor, or a population for `EpisodeReturns`.

        Returns:
          What the method's `experience` names (`Trajectories`, `Returns`, `Replayed`, ...), and the
          sampler after the call.
        """
        ...


class HostSampler(Protocol):
    """A sampler outside the compiled program, for all S seeds of a run: what an engine provides.

    `engine.HostProgram` calls it between a compiled `ask` and a compiled `tell`. It may hold
    processes, sockets or simulators; what of it decides the next call's numbers is in `state`.

    Every array that it returns is NumPy's or JAX's, with a leading axis [S]: `Trajectories` with
    leaves [S, T, N, ...], `Returns` [S, P, E], and `statistics` with leaves [S].

    Inherit from this class for the defaults below. They are right for an engine that computes every
    call from keys and actors alone, with episodes that begin and end within the call.

    Attributes:
      statistics: of the last call, leaves [S]: episodes that ended, environment steps taken, the
        first NaN.
      infos: what the environments told beside the rewards in the episodes that ended in the last
        call: each one's seed, 0 to S - 1, and means over its steps by name. They are logged.
    """

    statistics: EpisodeStatistics
    infos: Sequence[tuple[int, Mapping[str, float]]] = ()

    @property
    def irreproducible(self) -> str:
        """Why the same seeds may give other numbers another time; empty where they do not."""
        return ""

    @property
    def replay_bytes(self) -> int:
        """Memory of the steps that it keeps for `Replay`, of all seeds."""
        return 0

    def sample(self, keys: Array, actors: Actor, /) -> tuple[Any, HostSampler]:
        """Tries the actors of all seeds.

        Seed s is tried with its own key and its own actors: how many other seeds share the call
        changes nothing.

        Args:
          keys: typed keys [S], consumed.
          actors: leaves [S, ...], or populations [S, P, ...] for `EpisodeReturns`.

        Raises:
          EnvironmentContractError: an environment broke its contract.
          WorkerError: what does the work failed more often than it may.
        """
        ...

    def start_fresh_episodes(self, iteration: int) -> None:
        """The next call begins fresh episodes everywhere, which depend on this number alone."""

    def need_episodes(self, episodes: int) -> None:
        """The next call needs only the first so many of each candidate's episodes.

        A sampler of `EpisodeReturns` may leave the others out, and return anything for them; more
        than the experience asks for is all of them.
        """

    def state(self, *, replay: bool = True) -> dict[str, np.ndarray]:
        """What a checkpoint stores of it: arrays by name, of any shape.

        A sampler of the same arguments that is given them by `restore` returns from then on what
        this one does, bit for bit. Asking changes nothing. The names may not begin with `row.`.

        Args:
          replay: whether the steps that it keeps for `Replay` are among them. Without them
            `restore` begins with an empty buffer, and says so in a warning.
        """
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Becomes the sampler whose `state` this was.

        What cannot be brought back is said in a warning, and begins anew.
        """

    def take_back(self, seeds: np.ndarray) -> None:
        """The last call did not count for some seeds, booleans [S]: they have stopped.

        An engine whose episodes follow a count of its own sets it back, so that these seeds' next
        episodes do not depend on how long the others ran.
        """

    def set_priorities(self, drawn: Replayed, priorities: np.ndarray, seeds: np.ndarray) -> None:
        """New priorities [S, B, M] of the windows that the last call drew, for some seeds [S].

        Only an engine that serves `Replay` with `prioritized=True` is asked.
        """
        raise NotImplementedError(f"{type(self).__name__} keeps no priorities.")

    def close(self) -> None:
        """Ends what it has started: processes, connections, simulators. Twice is no error."""


class HostEngine(Protocol):
    """What is registered in `ENGINES`: a sampler's class, or a function that makes one."""

    def __call__(
        self,
        environment: Environment | GymnasiumSpec,
        spec: ExperienceSpec,
        objective: Objective,
        *,
        n_seeds: int,
        seed: int,
        workers: int | str,
        stream: str,
        deterministic: bool,
    ) -> HostSampler:
        """A sampler at its beginning.

        Args:
          environment: what `make` gave: a `GymnasiumSpec` or an `Environment`.
          spec: what the search method wants back.
          objective: under which returns are counted; its `horizon`, where it has one, truncates
            episodes.
          n_seeds: S.
          seed: the run's.
          workers: as the user set it: a number of processes, or "auto". It changes no number.
          stream: "training" or "evaluation"; each has random numbers of its own.
          deterministic: act by the mode of the policies.

        Raises:
          UpslopeError: an environment or an experience that this engine cannot serve, with the
            remedy.
        """
        ...
