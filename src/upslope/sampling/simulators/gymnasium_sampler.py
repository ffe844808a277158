"""The sampler of simulators: all of them step together, and one batch of actions moves them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.actor import Actor
from upslope.core.checks import UpslopeError, check_number
from upslope.core.records import Replayed, Returns, Trajectories
from upslope.core.said_once import warn_once
from upslope.objectives.objective import Objective
from upslope.policies.twin.actor import generator
from upslope.sampling.experience import EpisodeReturns, Episodes, ExperienceSpec, Replay, Steps
from upslope.sampling.replay import refilled
from upslope.sampling.sampler import HostSampler
from upslope.sampling.simulators.action_log import ActionLog
from upslope.sampling.simulators.action_sampler import ActionSampler
from upslope.sampling.simulators.episode_seeds import EpisodeSeeds
from upslope.sampling.simulators.host_statistics import host_statistics, nothing_sampled
from upslope.sampling.simulators.host_stepper import HostStepper, grid_of
from upslope.sampling.simulators.multiplexed import MAX_SIMULATORS, MultiplexedSimulators, rounds
from upslope.sampling.simulators.numpy_replay import NumpyReplay
from upslope.sampling.simulators.padding import by_seed, masked, padded, padded_length
from upslope.sampling.simulators.simulator_backend import (
    SimulatorBackend,
    Workers,
    build_backend,
    describe,
)
from upslope.sampling.simulators.step_buffer import BufferLayout, copies
from upslope.sampling.simulators.twin_sampler import action_sampler
from upslope.sampling.simulators.workers import same_rows

REPLAY = 1  # tells the generators of replay from those of actions


class GymnasiumSampler(HostSampler):
    """Tries the actors of S seeds in Gymnasium simulators, S x N of them side by side.

    Every episode starts from a seed that depends on the run, its slot and its number alone, and
    every action's key on its seed, step and slot: the number of worker processes changes nothing.
    Simulators keep their place between calls where the experience continues them (`Steps`,
    `Replay`). What `Replay` keeps stays in host memory, and only batches leave it.

    Between two calls `state` holds what `restore` brings the simulators back from: a checkpoint
    changes no number, where the simulators are reproducible from their seeds.

    Args:
      environment: anything with `build() -> gymnasium.Env` (a `GymnasiumSpec`), or a
        `gymnasium.vector.VectorEnv` of S x N environments.
      spec: what the search method wants back.
      objective: under which returns are counted; its horizon truncates episodes.
      n_seeds: S.
      seed: the run's.
      workers: processes; 0 for this one, `"auto"` decides by timing a simulator.
      deadline: seconds a worker process may take for one step of its simulators.
      stream: what the episodes are for; each stream has seeds of its own.
      deterministic: act without exploration.
      common_random_numbers: episode e of every candidate starts from the same seed and draws its
        actions with the same keys; so it is too where the experience asks for it.
      max_restarts: how many worker processes one call may replace.
      max_simulators: more episodes than this run in rounds (`EpisodeReturns` alone).

    Attributes:
      statistics: of the last call, leaves [S].
      infos: see `HostSampler`.

    Raises:
      UpslopeError: spaces, experiences or settings that cannot work, with the remedy.
      EnvironmentContractError: a simulator broke its contract.
      WorkerError: worker processes failed too often.
    """

    def __init__(
        self,
        environment: Any,
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
        fresh = spec.fresh if isinstance(spec, Replay) else spec
        self._streams = fresh if isinstance(fresh, Steps) else None  # what goes on between calls
        self.replay = NumpyReplay(spec, n_seeds) if isinstance(spec, Replay) else None
        autoreset = self._streams is not None
        self._rounds = np.ones((1, self._count), bool)  # which simulators move side by side
        self._needed = np.ones(self._count, bool)  # those whose episodes the next call needs
        if hasattr(environment, "single_observation_space"):
            from upslope.sampling.simulators.vector_environment import VectorEnvironment

            vector = VectorEnvironment(environment, self._count, limit=horizon)
            self._backend: SimulatorBackend = vector
            observations = vector.observations
            own_limit = None
        elif not hasattr(environment, "build"):
            raise UpslopeError(
                f"The engine 'gymnasium' got a {type(environment).__name__}, which builds no "
                "simulator: JAX environments are sampled by the engine 'jax'."
            )
        else:
            described = describe(environment, measure=workers == "auto")
            own_limit, observations = described.time_limit, described.observations
            if isinstance(spec, EpisodeReturns):
                self._rounds = rounds(self._count, max_simulators)
            self._backend = build_backend(
                environment,
                described,
                int(self._rounds[0].sum()),
                workers=workers,
                autoreset=autoreset,
                limit=horizon,
                deadline=deadline,
                max_restarts=max_restarts,
            )
            if len(self._rounds) > 1:
                self._backend = MultiplexedSimulators(self._backend, described.layout(self._count))
        limits = [limit for limit in (own_limit, horizon) if limit is not None]
        self._limit = min(limits) if limits else None
        self._stepper = HostStepper(
            self._backend,
            observations,
            self._grid,
            EpisodeSeeds(seed, stream, (n_seeds, self._count // n_seeds)),
            autoreset=autoreset,
            limit=self._limit,
            common_random_numbers=self._common,
        )
        self._calling = False
        self._lost = ""  # of episodes that could not be brought back
        self._start_anew()
        self.statistics = nothing_sampled(n_seeds)
        self.infos = []

    def sample(self, keys: Array, candidates: Actor) -> tuple[Any, GymnasiumSampler]:
        """Tries the candidates and returns what the experience asks for.

        After a call that was interrupted (by Ctrl-C, by an error), every episode begins anew.

        Args:
          keys: typed keys [S], consumed.
          candidates: leaves [S, ...], or [S, P, ...] for `EpisodeReturns`.

        Returns:
          `Trajectories`, `Replayed` or `Returns` with a leading axis [S], and this sampler.
        """
        if self._calling:
            self._start_anew()
        self._calling = True
        self._begun = self._stepper.seeds.state()["episode"]
        self._backend.take_infos()  # of a call that was interrupted, and of a restored episode
        self._stepper.reset_counters()
        actions = action_sampler(
            keys,
            candidates,
            self._grid,
            deterministic=self.deterministic,
            common_keys=self._common,
            count_moments=isinstance(self.experience, EpisodeReturns)
            and candidates.observation_moments is not None,
        )
        experience: Any
        if self._streams is not None:
            experience = self._steps(actions, self._streams.n_steps)
            if self.replay is not None:
                self.replay.add(experience)
                # The actions' keys are of steps and slots: no generator of theirs is this one.
                words = np.asarray(jax.random.key_data(keys)).tolist()
                generators = [generator(0, *numbers, REPLAY) for numbers in words]
                experience = self.replay.draw(generators, experience)
        elif isinstance(self.experience, Episodes):
            self._stepper.reset(np.ones(self._count, bool))
            experience = self._episodes(actions)
        else:
            experience = self._returns(actions)
        self._calling = False
        self.infos = [
            (ended.row * self._grid[0] // self._count, ended.means)
            for ended in sorted(self._backend.take_infos(), key=lambda ended: ended.row)
        ]
        for remark in self._backend.remarks:
            warn_once(remark.text)
        return experience, self

    def set_priorities(self, drawn: Replayed, priorities: np.ndarray, seeds: np.ndarray) -> None:
        """Sets priorities [S, B, M] of the windows that the last call drew, for some seeds [S]."""
        assert self.replay is not None
        self.replay.set_priorities(drawn, priorities, seeds)

    def need_episodes(self, episodes: int) -> None:
        """The simulators of the others stand still."""
        self._needed = np.arange(self._count) % self._grid[-1] < episodes

    def take_back(self, seeds: np.ndarray) -> None:
        """The last call did not count for some seeds [S]: their next whole episodes are the same.

        Streams go on where they are: seeds of equal steps stop together.
        """
        if self._streams is None:
            self._stepper.seeds.rewind(seeds, self._begun)

    def start_fresh_episodes(self, iteration: int) -> None:
        """Starts fresh episodes everywhere, from seeds that depend on the iteration alone."""
        self._stepper.seeds.restart(iteration)
        self._start_anew()

    @property
    def irreproducible(self) -> str:
        """Why the same seeds may give other numbers another time; empty where they do not."""
        doubts = [seen.text for seen in self._backend.remarks if not seen.reproducible]
        return (doubts or [self._lost])[0]

    @property
    def replay_bytes(self) -> int:
        """Memory of the steps that `Replay` keeps, of all seeds."""
        return 0 if self.replay is None else self.replay.nbytes

    def state(self, *, replay: bool = True) -> dict[str, np.ndarray]:
        """All that the next call depends on, as arrays by name; leaves nothing out but the keys.

        Of every running episode it holds the seed and the actions since, so its size grows with
        the longest episode under way.

        Args:
          replay: whether it holds the steps that `Replay` keeps. A sampler that is restored
            without them fills its buffer anew, and says so.
        """
        state = {f"seeds.{name}": value for name, value in self._stepper.seeds.state().items()}
        if self._streams is None:
            return state
        buffer = self._backend.buffer
        state["waiting"] = self._waiting | self._calling
        state["fresh"], state["age"] = self._fresh.copy(), self._age.copy()
        state["returns"], state["next_seed"] = self._returns_so_far.copy(), buffer.seed.copy()
        for index, leaf in enumerate(buffer.observation):
            state[f"observation.{index}"] = leaf.copy()
        for index, leaf in enumerate(self._memory_leaves()):
            state[f"memory.{index}"] = np.array(leaf)
        if self._backend.log is not None:
            log = self._backend.log.state()
            state |= {f"log.{name}": value for name, value in log.items()}
        if self.replay is not None and replay:
            ring = self.replay.state()
            state |= {f"replay.{name}": value for name, value in ring.items()}
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Brings the simulators to where they were when `state` was asked.

        Every running episode is begun again from its seed and its actions are taken again. Where
        that leads to another observation than before, the simulator is not reproducible from its
        seed: that is said in a warning, and a fresh episode begins there.
        """
        self._start_anew()
        self._calling = False
        self._stepper.reset_counters()
        self._stepper.seeds.load(part_of(state, "seeds."))
        if self.replay is not None:
            self.replay.load(part_of(state, "replay."))
            if "replay.written" not in state:
                warnings.warn(refilled(self._backend.name), stacklevel=2)
        if self._streams is None:
            return
        waiting = np.array(state["waiting"], bool)
        if not waiting.all():
            stored = tuple(
                np.asarray(state[f"observation.{index}"])
                for index in range(len(self._backend.buffer.observation))
            )
            lost = ~waiting & ~self._replayed(part_of(state, "log."), stored, ~waiting)
            if lost.any():
                self._lost = (
                    f"{self._backend.name} is not reproducible from its seed: "
                    f"{int(lost.sum())} of {self._count} episodes under way could not be brought "
                    "back and begin anew. Let the environment draw from self.np_random alone "
                    "(seeded by reset)."
                )
                warnings.warn(self._lost, stacklevel=2)
            waiting = waiting | lost
        self._backend.buffer.seed[:] = state["next_seed"]
        self._waiting = waiting
        self._fresh = np.array(state["fresh"], bool) | waiting
        self._age = np.where(waiting, 0, state["age"])
        self._returns_so_far = np.where(waiting, 0.0, state["returns"])
        memory = part_of(state, "memory.")
        self._stored_memory = [memory[str(index)] for index in range(len(memory))]

    @property
    def limit(self) -> int | None:
        """After how many steps an episode ends at the latest; None if that is not known."""
        return self._limit

    def close(self) -> None:
        """Ends the simulators and their processes."""
        self._backend.close()

    def _start_anew(self) -> None:
        self._memory: Any = None  # of every simulator; None before the first call
        self._stored_memory: list[np.ndarray] = []  # its leaves, before there is an actor
        self._waiting = np.ones(self._count, bool)  # simulators to be reset before the next step
        self._fresh = np.ones(self._count, bool)
        self._returns_so_far = np.zeros(self._count)
        self._age = np.zeros(self._count, int)

    def _memory_leaves(self) -> list[Any]:
        return self._stored_memory if self._memory is None else jax.tree.leaves(self._memory)

    def _replayed(
        self, state: dict[str, np.ndarray], stored: tuple[np.ndarray, ...], rows: np.ndarray
    ) -> np.ndarray:
        """Takes the logged actions again; returns where that led to the stored observation."""
        backend = self._backend
        if backend.log is None or "start" not in state:
            return np.zeros(self._count, bool)
        layout = BufferLayout(
            self._count,
            tuple((leaf.shape[1:], leaf.dtype.str) for leaf in backend.buffer.observation),
            backend.buffer.action.shape[1],
            backend.buffer.action.dtype.str,
        )
        log, buffer = ActionLog(layout, autoreset=True), backend.buffer
        log.load(state)
        for command, seed, action in log.replay():
            buffer.command[:], buffer.seed[:], buffer.action[:] = command, seed, action
            backend.step_all()
        same = log.running() & same_rows(buffer.observation, stored)
        for leaf in buffer.observation:
            leaf[rows & ~same] = 0
        return same

    def _steps(self, actions: ActionSampler, n_steps: int) -> Trajectories:
        buffer, grid = self._backend.buffer, self._grid
        restarted = self._waiting.copy()
        if restarted.any():
            self._stepper.reset(restarted)
            self._waiting[:] = False
        if self._memory is None:
            self._memory = self._first_memory(actions)
        memory = first_memory = actions.restart(self._memory, self._fresh.reshape(grid))
        fresh = np.zeros(self._count, bool)
        alive = self._stepper.nonfinite_step < 0
        rows, returns, lengths = [], np.zeros(self._count), np.zeros(self._count, int)
        for time in range(n_steps):
            observation = copies(buffer.observation)
            action, memory, extras = self._stepper.step(actions, time, memory, fresh, alive)
            valid = alive & buffer.valid
            terminated, truncated = buffer.terminated & valid, buffer.truncated & valid
            fresh = terminated | truncated
            reward = np.where(valid, buffer.reward, np.float32(0.0))
            rows.append(
                (
                    observation,
                    self._flat(action),
                    reward,
                    copies(buffer.successor),
                    terminated,
                    truncated,
                    valid,
                    jax.tree.map(self._flat, extras),
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
                alive, time, buffer.reward, *buffer.successor, *buffer.observation
            )
        self._memory, self._fresh = memory, fresh
        self._waiting = self._stepper.nonfinite_step >= 0
        self._fresh |= self._waiting
        self._returns_so_far[self._waiting] = 0.0
        self._age[self._waiting] = 0
        batch = self._trajectories(rows, n_steps, first_memory)
        ended = batch.terminated | batch.truncated
        self._describe(returns, lengths, ended.sum(axis=(1, 2)), batch.valid.sum(axis=(1, 2)))
        where: Any = restarted.reshape(grid)
        return batch._replace(restarted=where)

    def _episodes(self, actions: ActionSampler) -> Trajectories:
        buffer = self._backend.buffer
        memory = first_memory = actions.initial_memory()
        fresh = np.zeros(self._count, bool)
        alive = self._stepper.nonfinite_step < 0
        rows, time = [], 0
        while alive.any() or not rows:
            observation = copies(buffer.observation)
            action, memory, extras = self._stepper.step(actions, time, memory, fresh, alive)
            flags = buffer.terminated & alive, buffer.truncated & alive, alive
            extras = jax.tree.map(self._flat, extras)
            seen = (observation, self._flat(action), buffer.reward, copies(buffer.successor))
            *seen, extras = jax.tree.map(lambda x, alive=alive: masked(x, alive), (*seen, extras))
            rows.append((*seen, *flags, extras))
            bad = self._stepper.note_nonfinite(alive, time, buffer.reward, *buffer.successor)
            alive = alive & ~flags[0] & ~flags[1] & ~bad
            time += 1
            self._stepper.refuse_endless(time)
        batch = self._trajectories(rows, padded_length(len(rows), self._limit), first_memory)
        reward, valid = np.asarray(batch.reward), np.asarray(batch.valid)
        self._describe(reward.sum(axis=1, dtype=float), valid.sum(axis=1))
        return batch

    def _returns(self, actions: ActionSampler) -> Returns:
        buffer, n_seeds = self._backend.buffer, self._grid[0]
        gamma = np.asarray(self.objective.discount, float)
        each = np.repeat(np.broadcast_to(gamma, n_seeds), self._count // n_seeds)
        total, plain = np.zeros(self._count), np.zeros(self._count)
        length = np.zeros(self._count, int)
        fresh = np.zeros(self._count, bool)
        for movers in self._rounds & self._needed:
            if not movers.any():
                continue
            self._stepper.reset(movers)
            memory, discount, time = actions.initial_memory(), np.ones(self._count), 0
            alive = movers & (self._stepper.nonfinite_step < 0)
            while alive.any():
                _, memory, _ = self._stepper.step(actions, time, memory, fresh, alive)
                reward = np.where(alive, buffer.reward, 0.0)
                total += discount * reward
                plain += reward
                length += alive
                discount *= each
                bad = self._stepper.note_nonfinite(alive, time, buffer.reward, *buffer.successor)
                alive = alive & ~buffer.terminated & ~buffer.truncated & ~bad
                time += 1
                self._stepper.refuse_endless(time)
        self._describe(plain, length)
        counted = jnp.asarray(total.reshape(self._grid), jnp.float32)
        lengths = jnp.asarray(length.reshape(self._grid), jnp.int32)
        returns = self.objective.episode_return(counted, lengths)
        return Returns(returns, lengths, actions.moments)

    def _flat(self, leaf: np.ndarray) -> np.ndarray:
        """Grid + [...] as [S N, ...]."""
        return leaf.reshape(self._count, *leaf.shape[len(self._grid) :])

    def _trajectories(self, rows: list[Any], length: int, memory: Any) -> Trajectories:
        """Steps of all simulators as one batch [S, T, N, ...], padded with zeros."""
        columns = jax.tree.map(
            lambda *steps: by_seed(padded(np.stack(steps), length), self._grid[0]), *rows
        )
        observation, action, reward, successor, terminated, truncated, valid, extras = columns
        tree = self._stepper.observations.tree
        return Trajectories(
            observation=tree(observation),
            action=action,
            reward=reward,
            next_observation=tree(successor),
            terminated=terminated,
            truncated=truncated,
            valid=valid,
            memory=memory,
            extras=extras,
        )

    def _first_memory(self, actions: ActionSampler) -> Any:
        """The memory at the first call, or the one that was restored."""
        memory = actions.initial_memory()
        if getattr(self._backend, "late_reset", False) and jax.tree.leaves(memory):
            raise UpslopeError(
                "A policy with memory would remember the step on which a NEXT_STEP vector "
                "environment resets: make it with autoreset_mode=AutoresetMode.SAME_STEP."
            )
        if not self._stored_memory:
            return memory
        stored = jax.tree.map(jnp.asarray, self._stored_memory)
        return jax.tree.unflatten(jax.tree.structure(memory), stored)

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
        nonfinite = self._stepper.nonfinite_step.reshape(flat)
        self.statistics = host_statistics(returns, lengths, episodes, steps, nonfinite)


def part_of(state: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, without it."""
    return {name[len(prefix) :]: x for name, x in state.items() if name.startswith(prefix)}
