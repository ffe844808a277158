"""Held-out episodes in a JAX environment: one compiled program for a block of them."""

from __future__ import annotations

import time
from collections.abc import Hashable
from concurrent.futures import Executor, Future
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.stages import Compiled

from upslope.core.actor import Actor
from upslope.core.records import Returns
from upslope.engine.executables import compiled
from upslope.engine.iteration import stream_key
from upslope.engine.kept_programs import EVALUATIONS, key_of
from upslope.engine.waiting import fetched
from upslope.environments.environment import Environment
from upslope.environments.wrappers.fully_observed import FullyObserved
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.episode_returns import (
    EpisodeRecord,
    Recording,
    episode_rollout,
    population_of,
    sample_returns,
)


class JaxEvaluator:
    """An `Evaluator` whose environment is part of the compiled program.

    Episodes run in blocks, so that one program serves evaluations of any size.

    Args:
      environment: where the policies are evaluated.
      limit: steps after which an episode is truncated.
      seed: the run's.
    """

    def __init__(self, environment: Environment, limit: int, seed: int):
        self.environment = environment
        self.block = 1
        # Everything a call needs is numpy: no small program is compiled on the way.
        self._seed = np.uint32(seed)
        self.limit = limit
        # By determinism; a future while it is compiled.
        self._programs: dict[bool, Compiled | Future[Compiled]] = {}
        self.compile_seconds = 0.0  # and on waiting for it

    def prepare(self, policies: Actor, deterministic: bool, pool: Executor) -> None:
        """Traces here and compiles in the pool; the other kind is compiled when it is asked for."""
        known = EVALUATIONS.get(self._decides(policies, deterministic))
        self._programs[deterministic] = known or pool.submit(
            compiled, self._lower(policies, deterministic), optimize="compile_time"
        )

    def evaluate(
        self, policies: Actor, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """See `Evaluator`."""
        began = time.perf_counter()
        run, environment = self._program(policies, deterministic), self._numbers(policies)
        self.compile_seconds += time.perf_counter() - began
        blocks = [
            fetched(
                run(environment, (self._seed, np.int32(evaluation_index), np.int32(n)), policies)
            )
            for n in range(-(-episodes // self.block))
        ]
        join = lambda name: np.concatenate([getattr(b, name) for b in blocks], 1)[:, :episodes]  # noqa: E731
        return Returns(join("returns"), join("lengths"))  # pyright: ignore[reportArgumentType]

    def _program(self, policies: Actor, deterministic: bool) -> Compiled:
        """The compiled block of episodes: that of an earlier evaluation where there is one."""
        program = self._programs.get(deterministic)
        if isinstance(program, Compiled):
            return program
        key = self._decides(policies, deterministic)
        if program is None:
            program = EVALUATIONS.get(key)
        if program is None:
            program = compiled(self._lower(policies, deterministic), optimize="compile_time")
        elif isinstance(program, Future):
            program = program.result()
        EVALUATIONS.put(key, program)
        self._programs[deterministic] = program
        return program

    def _decides(self, policies: Actor, deterministic: bool) -> Hashable | None:
        """What decides the program; None where it is not to be shared with other evaluations."""
        arguments = (self._numbers(policies), plain(policies))
        return key_of(arguments, self.block, deterministic, self.limit)

    def record(
        self,
        policies: Actor,
        episodes: int,
        evaluation_index: int,
        deterministic: bool,
        recording: Recording,
    ) -> tuple[Returns, EpisodeRecord]:
        """The episodes that `evaluate` plays, with every moment of some of them.

        Args:
          episodes: E, which are one block.
          recording: of which seeds, and how far.

        Returns:
          The returns [S, E], and the moments of the recorded seeds as NumPy arrays.
        """
        began = time.perf_counter()
        run = jax.jit(
            lambda environment, which, policies: self._play(
                environment, which, policies, episodes, deterministic, recording
            )
        )
        which = (self._seed, np.int32(evaluation_index), np.int32(0))
        program = compiled(
            run.lower(self._numbers(policies), which, policies), optimize="compile_time"
        )
        self.compile_seconds += time.perf_counter() - began
        return jax.device_get(program(self._numbers(policies), which, policies))

    def _play(
        self,
        environment: Environment,
        which: tuple[Array, Array, Array],
        policies: Actor,
        episodes: int,
        deterministic: bool,
        recording: Recording,
    ) -> tuple[Returns, EpisodeRecord]:
        rollout = episode_rollout(
            self._key(which),
            environment,
            policies,
            EpisodicReturn(),
            episodes,
            self.limit,
            deterministic=deterministic,
            recording=recording,
        )
        end = rollout(jnp.arange(population_of(policies)))
        return Returns(end["plain"], end["length"]), end["record"]

    def close(self) -> None:
        """Nothing to close."""

    def _numbers(self, policies: Actor) -> Any:
        """The environment as arrays, its state in the observation for actors that read it."""
        environment = self.environment
        if policies.observes_state:
            environment = FullyObserved(environment)  # pyright: ignore[reportCallIssue] (time_limit is the inner one's)
        return jax.tree.map(jnp.asarray, environment)

    def _lower(self, policies: Actor, deterministic: bool) -> Any:
        run = jax.jit(
            lambda environment, which, policies: self._run(
                environment, which, policies, self.block, deterministic
            )
        )
        return run.lower(
            self._numbers(policies), (self._seed, np.int32(0), np.int32(0)), plain(policies)
        )

    def _run(
        self,
        environment: Environment,
        which: tuple[Array, Array, Array],
        policies: Actor,
        episodes: int,
        deterministic: bool,
    ) -> Returns:
        returns, _ = sample_returns(
            self._key(which),
            environment,
            policies,
            EpisodicReturn(),
            episodes,
            self.limit,
            deterministic=deterministic,
        )
        return returns

    def _key(self, which: tuple[Array, Array, Array]) -> Array:
        """Of a block of an evaluation."""
        seed, evaluation_index, block = which
        key = stream_key(seed, "evaluation")
        return jax.random.fold_in(jax.random.fold_in(key, evaluation_index), block)


def plain(policies: Actor) -> Actor:
    """Shapes and types, whether of arrays or of their shapes."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), policies)
