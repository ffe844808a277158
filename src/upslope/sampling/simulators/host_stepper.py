"""One step of all simulators: a compiled call for the actions, a command to the simulators."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from upslope.core.checks import NumericalError, UpslopeError
from upslope.sampling.experience import EpisodeReturns, Episodes, ExperienceSpec, Replay, Steps
from upslope.sampling.simulators.action_sampler import ActionSampler
from upslope.sampling.simulators.episode_seeds import EpisodeSeeds
from upslope.sampling.simulators.simulator_backend import SimulatorBackend
from upslope.sampling.simulators.step_buffer import RESET, SKIP, STEP, Leaves, SharedBuffer

if TYPE_CHECKING:
    from upslope.sampling.simulators.gymnasium_spaces import ObservationCoder

ENDLESS = 1_000_000  # steps after which an episode without any limit is taken to have no end


class HostStepper:
    """Simulators, the seeds of their episodes, and which of them showed a NaN.

    Args:
      backend: the simulators, in the order of the flattened grid.
      observations: how their observations' leaves become trees.
      grid: [S, N] or [S, P, E].
      seeds: of the episodes.
      autoreset: whether an episode's end starts the next one (with the seed in the buffer).
      limit: after how many steps every episode ends; None if that is not known.
      common_random_numbers: episode e of every candidate starts from the same seed.

    Attributes:
      nonfinite_step: [S N] int, the step of the call at which a simulator first showed a NaN or an
        infinity, else -1. Such a simulator stands still for the rest of the call.
    """

    def __init__(
        self,
        backend: SimulatorBackend,
        observations: ObservationCoder,
        grid: tuple[int, ...],
        seeds: EpisodeSeeds,
        *,
        autoreset: bool,
        limit: int | None,
        common_random_numbers: bool,
    ):
        self.backend, self.grid, self.seeds, self.limit = backend, grid, seeds, limit
        self.observations = observations
        self.common_random_numbers = common_random_numbers
        self.count = math.prod(grid)
        self.nonfinite_step = np.full(self.count, -1)
        self._autoreset = autoreset

    @property
    def buffer(self) -> SharedBuffer:
        """Commands and results of the simulators."""
        return self.backend.buffer

    def reset_counters(self) -> None:
        """A new call of the sampler begins: no NaN has been seen."""
        self.backend.reset_counters()
        self.nonfinite_step = np.full(self.count, -1)

    def reset(self, rows: np.ndarray) -> None:
        """Starts new episodes in some simulators."""
        buffer = self.buffer
        buffer.command[:] = np.where(rows, RESET, SKIP)
        self.refill_seeds(rows)
        self.backend.step_all()
        if self._autoreset:  # the seeds of the resets that ends will bring
            self.refill_seeds(rows)
        self.note_nonfinite(rows, 0, *buffer.observation)

    def refill_seeds(self, rows: np.ndarray) -> None:
        """Puts the seeds of the next episodes in the buffer."""
        shared = None
        if self.common_random_numbers and len(self.grid) == 3:
            shared = np.arange(self.count // self.grid[0]) % self.grid[2]
        indices = np.flatnonzero(rows)
        self.buffer.seed[indices] = self.seeds.next(indices, shared)

    def note_nonfinite(self, rows: np.ndarray, time: int, *columns: np.ndarray) -> np.ndarray:
        """Remembers which simulators first showed a NaN or an infinity at this step."""
        bad = np.zeros(self.count, bool)
        for column in columns:
            if np.issubdtype(column.dtype, np.floating) and not np.isfinite(column).all():
                bad |= ~np.isfinite(column.reshape(self.count, -1)).all(axis=1)
        bad &= rows & (self.nonfinite_step < 0)
        if bad.any():
            self.nonfinite_step[bad] = time
            for leaf in self.buffer.observation:
                leaf[bad] = 0
        return bad

    def tree(self, leaves: Leaves) -> Any:
        """The observations of all simulators, leaves grid + [...], as policies see them."""
        shaped = [leaf.reshape(*self.grid, *leaf.shape[1:]) for leaf in leaves]
        return self.observations.tree(shaped)

    def step(
        self,
        actions: ActionSampler,
        time: int,
        memory: Any,
        fresh: np.ndarray,
        alive: np.ndarray,
    ) -> tuple[np.ndarray, Any, Any]:
        """One step of the simulators that are alive; the others stand still.

        Returns:
          The actions, grid + [...], the memory after them, and the extras.
        """
        buffer = self.buffer
        shaped = [flags.reshape(self.grid) for flags in (fresh, alive)]
        observation = self.tree(buffer.observation)
        action, memory, extras = actions.act(time, observation, memory, *shaped)
        rows = action.reshape(self.count, -1)
        if rows.shape != buffer.action.shape:
            raise UpslopeError(
                f"The policy's actions have {rows.shape[1]} numbers, the simulators take "
                f"{buffer.action.shape[1]}: use a policy made for the environment's action space."
            )
        if not np.isfinite(rows).all():
            row = np.flatnonzero(~np.isfinite(rows).all(axis=1))[0]
            raise NumericalError(
                f"The policy of seed index {row * self.grid[0] // self.count} chose the action "
                f"{rows[row].tolist()} at step {time}: its parameters or its observations have "
                "diverged. Try a smaller learning_rate."
            )
        buffer.action[:] = rows
        buffer.command[:] = np.where(alive, STEP, SKIP)
        self.backend.step_all()
        return action, memory, extras

    def refuse_endless(self, time: int) -> None:
        """Raises when an episode without any limit shows no end."""
        if self.limit is None and time >= ENDLESS:
            raise UpslopeError(
                f"An episode has not ended after {ENDLESS:,} steps: whole episodes need a time "
                "limit (time_limit=...) or an objective with a horizon."
            )


def grid_of(spec: ExperienceSpec, n_seeds: int) -> tuple[int, ...]:
    """How simulators are laid out for a spec: [S, N] or [S, P, E].

    Raises:
      UpslopeError: for an experience that no simulator can give.
    """
    if isinstance(spec, Replay):
        return n_seeds, spec.fresh.n_envs
    if isinstance(spec, Steps):
        return n_seeds, spec.n_envs
    if isinstance(spec, Episodes):
        return n_seeds, spec.n_episodes
    if isinstance(spec, EpisodeReturns):
        return n_seeds, spec.population_size, spec.episodes_per_candidate
    raise UpslopeError(
        f"{type(spec).__name__} asks for the environment's equations, which a simulator does not "
        "show: use a JAX environment, or a method that samples."
    )
