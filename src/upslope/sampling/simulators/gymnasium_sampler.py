"""The sampler of simulators: all of them step together, with one compiled call for the actions."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Returns, Trajectories
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.experience import EpisodeReturns, Episodes, ExperienceSpec, Steps
from upslope.sampling.simulators.action_sampler import ActionSampler
from upslope.sampling.simulators.episode_seeds import EpisodeSeeds
from upslope.sampling.simulators.host_statistics import host_statistics, nothing_sampled
from upslope.sampling.simulators.host_stepper import HostStepper, grid_of
from upslope.sampling.simulators.multiplexed import MAX_SIMULATORS, MultiplexedSimulators, turns
from upslope.sampling.simulators.padding import by_seed, masked, padded_length
from upslope.sampling.simulators.simulator_backend import (
    SimulatorBackend,
    Workers,
    build_fleet,
    describe,
)


class GymnasiumSampler:
    """Tries the policies of S seeds in Gymnasium simulators, S x N of them side by side.

    Every episode starts from a seed that depends on the run, its slot and its number alone, and
    every action's key on its seed, step and slot: the number of worker processes changes nothing.
    Simulators keep their place between calls where the collection continues them (`Steps`).

    Args:
      world: anything with `build() -> gymnasium.Env` (a `GymnasiumSpec`), or a
        `gymnasium.vector.VectorEnv` of S x N environments.
      spec: what the search method wants back.
      objective: under which returns are counted; its horizon truncates episodes.
      n_seeds: S.
      seed: the run's.
      workers: processes; 0 for this one, `"auto"` decides by timing a simulator.
      deadline: seconds a worker process may take for one step of its simulators.
      stream: what the episodes are for; each stream has seeds of its own.
      deterministic: act by the mode of the policy.
      common_random_numbers: episode e of every candidate starts from the same seed and draws its
        actions with the same keys; so it is too where the collection asks for it.
      max_restarts: how many worker processes one call may replace.
      max_simulators: more episodes than this take turns, where they are whole (`EpisodeReturns`).

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
        spec: ExperienceSpec,
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
        max_simulators: int = MAX_SIMULATORS,
    ):
        for name, number in (("n_seeds", n_seeds), ("max_simulators", max_simulators)):
            check_number("GymnasiumSampler", name, number, at_least=1, integer=True)
        check_number("GymnasiumSampler", "deadline", deadline, above=0.0)
        self._grid = grid_of(spec, n_seeds)
        self.experience, self.objective = spec, objective
        self.deterministic = deterministic
        self._common = common_random_numbers or getattr(spec, "common_random_numbers", False)
        self._count = math.prod(self._grid)
        horizon = getattr(objective, "horizon", None)
        autoreset = isinstance(spec, Steps)
        self._turns = np.ones((1, self._count), bool)  # which simulators move side by side
        if hasattr(world, "single_observation_space"):
            from upslope.sampling.simulators.vector_environment import VectorEnvironment

            self._fleet: SimulatorBackend = VectorEnvironment(world, self._count, limit=horizon)
            own_limit = None
        else:
            described = describe(world, measure=workers == "auto")
            own_limit = described.time_limit
            if isinstance(spec, EpisodeReturns):
                self._turns = turns(self._count, max_simulators)
            self._fleet = build_fleet(
                world,
                described,
                int(self._turns[0].sum()),
                workers=workers,
                autoreset=autoreset,
                limit=horizon,
                deadline=deadline,
                max_restarts=max_restarts,
            )
            if len(self._turns) > 1:
                self._fleet = MultiplexedSimulators(self._fleet, self._count)
        limits = [limit for limit in (own_limit, horizon) if limit is not None]
        self._limit = min(limits) if limits else None
        self._stepper = HostStepper(
            self._fleet,
            self._grid,
            EpisodeSeeds(seed, stream, (n_seeds, self._count // n_seeds)),
            autoreset=autoreset,
            limit=self._limit,
            common_random_numbers=self._common,
        )
        self._memory: Any = None
        self._anew()
        self.statistics = nothing_sampled(n_seeds)

    def sample(self, keys: Array, candidates: Policy) -> tuple[Any, GymnasiumSampler]:
        """Tries the candidates and returns what the collection asks for.

        Args:
          keys: typed keys [S], consumed.
          candidates: leaves [S, ...], or [S, P, ...] for `EpisodeReturns`.

        Returns:
          `Trajectories` or `Returns` with a leading axis [S], and this sampler.
        """
        self._stepper.reset_counters()
        chooser = ActionSampler(
            keys,
            candidates,
            self._grid,
            deterministic=self.deterministic,
            common_keys=self._common,
            count_moments=isinstance(self.experience, EpisodeReturns)
            and candidates.observation_moments is not None,
        )
        if isinstance(self.experience, Steps):
            return self._steps(chooser, self.experience.n_steps), self
        if isinstance(self.experience, Episodes):
            self._stepper.reset(np.ones(self._count, bool))
            return self._episodes(chooser), self
        return self._returns(chooser), self

    def start_fresh_episodes(self, iteration: int) -> None:
        """Starts fresh episodes everywhere, from seeds that depend on the iteration alone.

        A run that goes on after a checkpoint and one that resumes from it do the same, because a
        simulator's state cannot be saved.
        """
        self._stepper.seeds.restart(iteration)
        self._anew()

    @property
    def limit(self) -> int | None:
        """After how many steps an episode ends at the latest; None if that is not known."""
        return self._limit

    def close(self) -> None:
        """Ends the simulators and their processes."""
        self._fleet.close()

    def _anew(self) -> None:
        self._waiting = np.ones(self._count, bool)  # simulators to be reset before the next step
        self._fresh = np.ones(self._count, bool)
        self._returns_so_far = np.zeros(self._count)
        self._age = np.zeros(self._count, int)

    def _steps(self, chooser: ActionSampler, n_steps: int) -> Trajectories:
        board, grid = self._fleet.board, self._grid
        if self._waiting.any():
            self._stepper.reset(self._waiting)
            self._waiting[:] = False
        if self._memory is None:
            self._memory = chooser.initial_memory()
            self._refuse_late_resets()
        memory = first_memory = chooser.restart(self._memory, self._fresh.reshape(grid))
        fresh = np.zeros(self._count, bool)
        alive = self._stepper.broken < 0
        rows, returns, lengths = [], np.zeros(self._count), np.zeros(self._count, int)
        for time in range(n_steps):
            observation = board.observation.copy()
            action, memory = self._stepper.move(chooser, time, memory, fresh, alive)
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
                returns += np.where(fresh, self._returns_so_far, 0.0)
                lengths += np.where(fresh, self._age, 0)
                self._returns_so_far[fresh] = 0.0
                self._age[fresh] = 0
                self._stepper.refill_seeds(fresh)
            alive = alive & ~self._stepper.note_nonfinite(
                alive, time, board.reward, board.successor, board.observation
            )
        self._memory, self._fresh = memory, fresh
        self._waiting = self._stepper.broken >= 0
        self._fresh |= self._waiting
        self._returns_so_far[self._waiting] = 0.0
        self._age[self._waiting] = 0
        columns: list[Any] = [by_seed(np.stack(x), grid[0]) for x in zip(*rows, strict=True)]
        ended = columns[4] | columns[5]
        self._describe(returns, lengths, ended.sum(axis=(1, 2)), columns[6].sum(axis=(1, 2)))
        return Trajectories(*columns, memory=first_memory)

    def _episodes(self, chooser: ActionSampler) -> Trajectories:
        board, grid = self._fleet.board, self._grid
        memory = first_memory = chooser.initial_memory()
        fresh = np.zeros(self._count, bool)
        alive = self._stepper.broken < 0
        rows, time = [], 0
        while alive.any() or not rows:
            observation = board.observation.copy()
            action, memory = self._stepper.move(chooser, time, memory, fresh, alive)
            flags = board.terminated & alive, board.truncated & alive, alive
            action = action.reshape(self._count, *action.shape[len(grid) :])
            values = (observation, action, board.reward.copy(), board.successor.copy())
            rows.append([masked(value, alive) for value in values] + list(flags))
            bad = self._stepper.note_nonfinite(alive, time, board.reward, board.successor)
            alive = alive & ~flags[0] & ~flags[1] & ~bad
            time += 1
            self._stepper.refuse_endless(time)
        length = padded_length(len(rows), self._limit)
        columns: list[Any] = []
        for column in zip(*rows, strict=True):
            column = np.stack(column)
            padding = [(0, length - len(column))] + [(0, 0)] * (column.ndim - 1)
            columns.append(by_seed(np.pad(column, padding), grid[0]))
        lengths = columns[6].sum(axis=1)
        self._describe(columns[2].sum(axis=1, dtype=float), lengths)
        return Trajectories(*columns, memory=first_memory)

    def _returns(self, chooser: ActionSampler) -> Returns:
        board, n_seeds = self._fleet.board, self._grid[0]
        gamma = np.asarray(self.objective.discount, float)
        each = np.repeat(np.broadcast_to(gamma, n_seeds), self._count // n_seeds)
        total, plain = np.zeros(self._count), np.zeros(self._count)
        length = np.zeros(self._count, int)
        fresh = np.zeros(self._count, bool)
        for turn in self._turns:
            self._stepper.reset(turn)
            memory, discount, time = chooser.initial_memory(), np.ones(self._count), 0
            alive = turn & (self._stepper.broken < 0)
            while alive.any():
                _, memory = self._stepper.move(chooser, time, memory, fresh, alive)
                reward = np.where(alive, board.reward, 0.0)
                total += discount * reward
                plain += reward
                length += alive
                discount *= each
                bad = self._stepper.note_nonfinite(alive, time, board.reward, board.successor)
                alive = alive & ~board.terminated & ~board.truncated & ~bad
                time += 1
                self._stepper.refuse_endless(time)
        self._describe(plain, length)
        counted = jnp.asarray(total.reshape(self._grid), jnp.float32)
        lengths = jnp.asarray(length.reshape(self._grid), jnp.int32)
        returns = self.objective.episode_return(counted, lengths)
        return Returns(returns, lengths, chooser.moments)

    def _describe(
        self,
        returns: np.ndarray,
        lengths: np.ndarray,
        episodes: Any = None,
        steps: Any = None,
    ) -> None:
        """Keeps the statistics; by default every slot ended one episode, counted whole."""
        flat = (self._grid[0], -1)
        returns, lengths = returns.reshape(flat), lengths.reshape(flat)
        if episodes is None:
            episodes = np.full(self._grid[0], lengths.shape[1])
            steps = lengths.sum(axis=1)
        broken = self._stepper.broken.reshape(flat)
        self.statistics = host_statistics(returns, lengths, episodes, steps, broken)

    def _refuse_late_resets(self) -> None:
        if getattr(self._fleet, "late_reset", False) and jax.tree.leaves(self._memory):
            raise UpslopeError(
                "A policy with memory would remember the step on which a NEXT_STEP vector "
                "environment resets: make it with autoreset_mode=AutoresetMode.SAME_STEP."
            )
