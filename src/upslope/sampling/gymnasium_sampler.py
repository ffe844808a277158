"""The sampler of simulators: all of them step together, with one compiled call for the actions."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import NumericalError, UpslopeError, check_number
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.board import RESET, SKIP, STEP
from upslope.sampling.collections import Collection, EpisodeReturns, Episodes, Steps
from upslope.sampling.episode_seeds import EpisodeSeeds
from upslope.sampling.fleet import Fleet, Workers, build_fleet, describe
from upslope.sampling.policy_program import Chooser
from upslope.sampling.records import EpisodeStatistics, Returns, Trajectories

ENDLESS = 1_000_000  # steps after which an episode without any limit is taken to have no end


class GymnasiumSampler:
    """Tries the policies of S seeds in Gymnasium simulators, S x N of them side by side.

    Every episode starts from a seed that depends on the run, its slot and its number alone, and
    every action's key on its seed, step and slot: the number of worker processes changes nothing.
    Simulators keep their place between calls where the collection continues them (`Steps`).

    Args:
      world: anything with `build() -> gymnasium.Env` (a `GymnasiumWorld`), or a
        `gymnasium.vector.VectorEnv` of S x N environments.
      collection: what the search method wants back.
      objective: under which returns are counted; its horizon truncates episodes.
      n_seeds: S.
      seed: the run's.
      workers: processes; 0 for this one, `"auto"` decides by timing a simulator.
      deadline: seconds a worker process may take for one step of its simulators.
      stream: what the episodes are for; each stream has seeds of its own.
      deterministic: act by the mode of the policy.
      common_random_numbers: episode e of every candidate starts from the same seed.
      max_restarts: how many worker processes one call may replace.

    Attributes:
      statistics: of the last call, leaves [S].

    Raises:
      UpslopeError: spaces, collections or settings that cannot work, with the remedy.
      EnvironmentContractError: a simulator broke its contract.
      WorkerError: worker processes failed too often.
    """

    def __init__(
        self,
        world: Any,
        collection: Collection,
        objective: Objective,
        *,
        n_seeds: int,
        seed: int,
        workers: Workers = "auto",
        deadline: float = 60.0,
        stream: str = "training",
        deterministic: bool = False,
        common_random_numbers: bool = False,
        max_restarts: int = 3,
    ):
        check_number("GymnasiumSampler", "n_seeds", n_seeds, at_least=1, integer=True)
        check_number("GymnasiumSampler", "deadline", deadline, above=0.0)
        if isinstance(collection, Steps):
            self._grid: tuple[int, ...] = (n_seeds, collection.n_envs)
        elif isinstance(collection, Episodes):
            self._grid = (n_seeds, collection.num_episodes)
        elif isinstance(collection, EpisodeReturns):
            self._grid = (n_seeds, collection.population_size, collection.episodes_per_candidate)
        else:
            raise UpslopeError(
                f"{type(collection).__name__} asks for the world's equations, which a simulator "
                "does not show: use a JAX environment, or a method that samples."
            )
        self.collection, self.objective = collection, objective
        self.deterministic, self.common_random_numbers = deterministic, common_random_numbers
        self._count = math.prod(self._grid)
        horizon = getattr(objective, "horizon", None)
        autoreset = isinstance(collection, Steps)
        if hasattr(world, "single_observation_space"):
            from upslope.sampling.vector_environment import VectorEnvironment

            self._fleet: Fleet = VectorEnvironment(world, self._count, limit=horizon)
            own_limit = None
        else:
            described = describe(world, measure=workers == "auto")
            own_limit = described.time_limit
            self._fleet = build_fleet(
                world,
                described,
                self._count,
                workers=workers,
                autoreset=autoreset,
                limit=horizon,
                deadline=deadline,
                max_restarts=max_restarts,
            )
        limits = [limit for limit in (own_limit, horizon) if limit is not None]
        self._limit = min(limits) if limits else None
        self._seeds = EpisodeSeeds(seed, stream, (n_seeds, self._count // n_seeds))
        self._memory: Any = None
        self._anew()
        nan = np.full(n_seeds, np.nan, np.float32)
        none = np.zeros(n_seeds, int)
        self.statistics = EpisodeStatistics(nan, nan, none, none, none, none)  # type: ignore[arg-type]

    def sample(self, keys: Array, candidates: Policy) -> tuple[Any, GymnasiumSampler]:
        """Tries the candidates and returns what the collection asks for.

        Args:
          keys: typed keys [S], consumed.
          candidates: leaves [S, ...], or [S, P, ...] for `EpisodeReturns`.

        Returns:
          `Trajectories` or `Returns` with a leading axis [S], and this sampler.
        """
        self._fleet.begin_call()
        chooser = Chooser(
            keys,
            candidates,
            self._grid,
            deterministic=self.deterministic,
            count_moments=isinstance(self.collection, EpisodeReturns)
            and getattr(candidates, "moments", None) is not None,
        )
        self._broken = np.full(self._count, -1)
        if isinstance(self.collection, Steps):
            return self._steps(chooser, self.collection.n_steps), self
        self._reset(np.ones(self._count, bool))
        if isinstance(self.collection, Episodes):
            return self._episodes(chooser), self
        return self._returns(chooser), self

    def reseed(self, iteration: int) -> None:
        """Starts fresh episodes everywhere, from seeds that depend on the iteration alone.

        A run that goes on after a checkpoint and one that resumes from it do the same, because a
        simulator's state cannot be saved.
        """
        self._seeds.restart(iteration)
        self._anew()

    def close(self) -> None:
        """Ends the simulators and their processes."""
        self._fleet.close()

    def _anew(self) -> None:
        self._waiting = np.ones(self._count, bool)  # simulators to be reset before the next step
        self._fresh = np.ones(self._count, bool)
        self._returns_so_far = np.zeros(self._count)
        self._age = np.zeros(self._count, int)

    def _reset(self, rows: np.ndarray) -> None:
        board = self._fleet.board
        board.todo[:] = np.where(rows, RESET, SKIP)
        self._reseed_rows(rows)
        self._fleet.advance()
        if isinstance(self.collection, Steps):  # the seeds of the resets that ends will bring
            self._reseed_rows(rows)
        self._note_broken(rows, 0, board.observation)

    def _reseed_rows(self, rows: np.ndarray) -> None:
        shared = None
        if self.common_random_numbers and len(self._grid) == 3:
            shared = np.arange(self._count // self._grid[0]) % self._grid[2]
        indices = np.flatnonzero(rows)
        self._fleet.board.seed[indices] = self._seeds.next(indices, shared)

    def _note_broken(self, rows: np.ndarray, time: int, *columns: np.ndarray) -> np.ndarray:
        """Remembers which simulators first showed a NaN or an infinity at this step."""
        bad = np.zeros(self._count, bool)
        for column in columns:
            if np.issubdtype(column.dtype, np.floating) and not np.isfinite(column).all():
                bad |= ~np.isfinite(column.reshape(self._count, -1)).all(axis=1)
        bad &= rows & (self._broken < 0)
        if bad.any():
            self._broken[bad] = time
            self._fleet.board.observation[bad] = 0
        return bad

    def _move(
        self, chooser: Chooser, time: int, memory: Any, fresh: np.ndarray, alive: np.ndarray
    ) -> tuple[np.ndarray, Any]:
        """One step of the simulators that are alive; the others stand still."""
        board = self._fleet.board
        observation = board.observation.reshape(*self._grid, *board.observation.shape[1:])
        shaped = [flags.reshape(self._grid) for flags in (fresh, alive)]
        action, memory = chooser.choose(time, observation, memory, *shaped)
        rows = action.reshape(self._count, -1)
        if rows.shape != board.action.shape:
            raise UpslopeError(
                f"The policy's actions have {rows.shape[1]} numbers, the simulators take "
                f"{board.action.shape[1]}: use a policy made for the world's action space."
            )
        if not np.isfinite(rows).all():
            row = np.flatnonzero(~np.isfinite(rows).all(axis=1))[0]
            raise NumericalError(
                f"The policy of seed index {row * self._grid[0] // self._count} chose the action "
                f"{rows[row].tolist()} at step {time}: its parameters or its observations have "
                "diverged. Try a smaller learning_rate."
            )
        board.action[:] = rows
        board.todo[:] = np.where(alive, STEP, SKIP)
        self._fleet.advance()
        return action, memory

    def _steps(self, chooser: Chooser, n_steps: int) -> Trajectories:
        board, grid = self._fleet.board, self._grid
        if self._waiting.any():
            self._reset(self._waiting)
            self._waiting[:] = False
        if self._memory is None:
            self._memory = chooser.initial_memory()
            self._refuse_late_resets()
        memory = first_memory = chooser.restart(self._memory, self._fresh.reshape(grid))
        fresh = np.zeros(self._count, bool)
        alive = self._broken < 0
        rows, ended_returns, ended_lengths = [], [], []
        for time in range(n_steps):
            observation = board.observation.copy()
            action, memory = self._move(chooser, time, memory, fresh, alive)
            valid = alive & board.valid
            terminated, truncated = board.terminated & valid, board.truncated & valid
            fresh = terminated | truncated
            reward = np.where(valid, board.reward, np.float32(0.0))
            rows.append(
                (
                    observation,
                    action.reshape(self._count, *action.shape[len(grid) :]),
                    reward,
                    board.successor.copy(),
                    terminated,
                    truncated,
                    valid,
                )
            )
            self._returns_so_far += reward
            self._age += valid
            if fresh.any():
                ended_returns.append(np.where(fresh, self._returns_so_far, 0.0))
                ended_lengths.append(np.where(fresh, self._age, 0))
                self._returns_so_far[fresh] = 0.0
                self._age[fresh] = 0
                self._reseed_rows(fresh)
            alive = alive & ~self._note_broken(
                alive, time, board.reward, board.successor, board.observation
            )
        self._memory, self._fresh = memory, fresh
        self._waiting = self._broken >= 0
        self._fresh |= self._waiting
        self._returns_so_far[self._waiting] = 0.0
        self._age[self._waiting] = 0
        columns = [self._by_seed(np.stack(column)) for column in zip(*rows, strict=True)]
        ended = columns[4] | columns[5]
        self._describe(ended_returns, ended_lengths, self._sum(ended), self._sum(columns[6]))
        return Trajectories(*columns, first_memory)

    def _episodes(self, chooser: Chooser) -> Trajectories:
        board, grid = self._fleet.board, self._grid
        memory = first_memory = chooser.initial_memory()
        fresh = np.zeros(self._count, bool)
        alive = self._broken < 0
        rows, time = [], 0
        while alive.any() or not rows:
            observation = board.observation.copy()
            action, memory = self._move(chooser, time, memory, fresh, alive)
            flags = board.terminated & alive, board.truncated & alive, alive
            action = action.reshape(self._count, *action.shape[len(grid) :])
            values = (observation, action, board.reward.copy(), board.successor.copy())
            rows.append([masked(value, alive) for value in values] + list(flags))
            bad = self._note_broken(alive, time, board.reward, board.successor)
            alive = alive & ~flags[0] & ~flags[1] & ~bad
            time += 1
            self._refuse_endless(time)
        length = padded_length(len(rows), self._limit)
        columns = []
        for column in zip(*rows, strict=True):
            column = np.stack(column)
            padding = [(0, length - len(column))] + [(0, 0)] * (column.ndim - 1)
            columns.append(self._by_seed(np.pad(column, padding)))
        lengths = columns[6].sum(axis=1)
        self._describe(
            [columns[2].sum(axis=1, dtype=float)], [lengths], self._whole(), lengths.sum(axis=1)
        )
        return Trajectories(*columns, first_memory)

    def _returns(self, chooser: Chooser) -> Returns:
        board, n_seeds = self._fleet.board, self._grid[0]
        memory = chooser.initial_memory()
        gamma = np.asarray(self.objective.discount, float)
        discount = np.ones(self._count)
        each = np.repeat(np.broadcast_to(gamma, n_seeds), self._count // n_seeds)
        total, plain = np.zeros(self._count), np.zeros(self._count)
        length = np.zeros(self._count, int)
        fresh = np.zeros(self._count, bool)
        alive = self._broken < 0
        time = 0
        while alive.any():
            _, memory = self._move(chooser, time, memory, fresh, alive)
            reward = np.where(alive, board.reward, 0.0)
            total += discount * reward
            plain += reward
            length += alive
            discount *= each
            bad = self._note_broken(alive, time, board.reward, board.successor)
            alive = alive & ~board.terminated & ~board.truncated & ~bad
            time += 1
            self._refuse_endless(time)
        self._describe([plain], [length], self._whole(), self._sum_rows(length))
        counted = jnp.asarray(total.reshape(self._grid), jnp.float32)
        lengths = jnp.asarray(length.reshape(self._grid), jnp.int32)
        returns = self.objective.episode_return(counted, lengths)
        return Returns(returns, lengths, chooser.moments)

    def _by_seed(self, column: np.ndarray) -> np.ndarray:
        """[T, S N, ...] as [S, T, N, ...]."""
        split = column.reshape(len(column), self._grid[0], -1, *column.shape[2:])
        return np.ascontiguousarray(np.moveaxis(split, 1, 0))

    def _sum(self, flags: np.ndarray) -> np.ndarray:
        return flags.reshape(self._grid[0], -1).sum(axis=1)

    def _sum_rows(self, values: Any) -> np.ndarray:
        return np.asarray(values).reshape(self._grid[0], -1).sum(axis=1)

    def _whole(self) -> np.ndarray:
        return np.full(self._grid[0], self._count // self._grid[0])

    def _describe(
        self, returns: list, lengths: list, episodes: np.ndarray, steps: np.ndarray
    ) -> None:
        """Statistics of the episodes that ended, and where a simulator broke first."""
        n_seeds = self._grid[0]
        sums = []
        for values in (returns, lengths):
            total = np.sum(values, axis=0) if values else np.zeros(self._count)
            with np.errstate(invalid="ignore"):
                mean = self._sum_rows(total) / np.where(episodes > 0, episodes, np.nan)
            sums.append(mean.astype(np.float32))
        broken, broken_step = np.zeros(n_seeds, int), np.zeros(n_seeds, int)
        for index, at in enumerate(self._broken.reshape(n_seeds, -1)):
            if (at >= 0).any():
                where = int(np.argmin(np.where(at >= 0, at, np.iinfo(int).max)))
                broken[index], broken_step[index] = where + 1, at[where]
        self.statistics = EpisodeStatistics(*sums, episodes, steps, broken, broken_step)  # type: ignore[arg-type]

    def _refuse_endless(self, time: int) -> None:
        if self._limit is None and time >= ENDLESS:
            raise UpslopeError(
                f"An episode has not ended after {ENDLESS:,} steps: whole episodes need a time "
                "limit (time_limit=...) or an objective with a horizon."
            )

    def _refuse_late_resets(self) -> None:
        if getattr(self._fleet, "late_reset", False) and jax.tree.leaves(self._memory):
            raise UpslopeError(
                "A policy with memory would remember the step on which a NEXT_STEP vector "
                "environment resets: make it with autoreset_mode=AutoresetMode.SAME_STEP."
            )


def masked(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values [M, ...] with zeros outside some rows."""
    return np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), values, values.dtype.type(0))


def padded_length(longest: int, limit: int | None) -> int:
    """How long a batch of episodes is made: few different lengths, so few programs are compiled.

    The time limit where there is one, as in a JAX world; else the next power of two.
    """
    return max(longest, limit) if limit is not None else 1 << (longest - 1).bit_length()
