"""Held-out episodes by an engine of the host: samplers of their own, apart from training's."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.records import Returns
from upslope.engine.evaluator import EVALUATION_LIMIT
from upslope.engine.iteration import stream_key
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.objectives.objective import EpisodicReturn, Objective
from upslope.sampling.episode_returns import Recording
from upslope.sampling.experience import EpisodeReturns
from upslope.sampling.jax_sampler import episode_limit
from upslope.sampling.sampler import HostEngine, HostSampler
from upslope.sampling.simulators.filmed import FilmedSimulators, Take, episode_seeds


class HostEvaluator:
    """An `Evaluator` that samples outside the compiled program.

    Args:
      engine: makes a sampler for each number of episodes, when it is asked for.
      environment: where the policies are evaluated.
      objective: its horizon, where it has one, truncates episodes.
      seeds: S.
      seed: the run's.
      workers: how many processes the engine may use.
    """

    compile_seconds = 0.0

    def __init__(
        self,
        engine: HostEngine,
        environment: Environment | GymnasiumSpec,
        objective: Objective,
        seeds: int,
        seed: int,
        workers: int | str = "auto",
    ):
        self.engine, self.environment = engine, environment
        self.seeds, self.seed, self.workers = seeds, seed, workers
        self.block = 1
        self._key = stream_key(seed, "evaluation")
        self.limit = episode_limit(environment, objective) or EVALUATION_LIMIT
        self._samplers: dict[tuple[int, bool], HostSampler] = {}

    def prepare(self, policies: Actor, deterministic: bool, pool: Executor) -> None:
        """Nothing: the first evaluation makes its sampler."""

    def evaluate(
        self, policies: Actor, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """See `Evaluator`; all episodes of all seeds are one call of a sampler."""
        return self._play(self._sampler(episodes, deterministic), policies, evaluation_index)

    def record(
        self,
        policies: Actor,
        episodes: int,
        evaluation_index: int,
        deterministic: bool,
        recording: Recording,
        environment: FilmedSimulators,
    ) -> tuple[Returns, list[list[Take]]]:
        """The episodes that `evaluate` plays, with what some of them look like.

        Args:
          episodes: E.
          recording: of which seeds, and how far.
          environment: simulators that keep pictures; which episodes, is set here.

        Returns:
          The returns [S, E], and for each recorded seed what was kept of its episodes.
        """
        seeds = episode_seeds(self.seed, evaluation_index, (self.seeds, episodes))
        takes = [[Take() for _ in range(episodes)] for _ in recording.candidates]
        environment.takes = {
            int(seeds[seed, episode]): take
            for seed, row in zip(recording.candidates, takes, strict=True)
            for episode, take in enumerate(row)
        }
        sampler = self._make(environment, episodes, deterministic, workers=0)
        try:
            return self._play(sampler, policies, evaluation_index), takes
        finally:
            sampler.close()

    def _play(self, sampler: HostSampler, policies: Actor, evaluation_index: int) -> Returns:
        sampler.start_fresh_episodes(evaluation_index)
        key = jax.random.fold_in(self._key, evaluation_index)
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(self.seeds))
        population = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, None], policies)
        returns, _ = sampler.sample(keys, population)
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:, 0], returns._replace(moments=None))

    def close(self) -> None:
        """Ends the samplers."""
        for sampler in self._samplers.values():
            sampler.close()

    def _sampler(self, episodes: int, deterministic: bool) -> HostSampler:
        which = (episodes, deterministic)
        if which not in self._samplers:
            self._samplers[which] = self._make(self.environment, *which, workers=self.workers)
        return self._samplers[which]

    def _make(
        self,
        environment: Environment | GymnasiumSpec | FilmedSimulators,
        episodes: int,
        deterministic: bool,
        workers: int | str,
    ) -> HostSampler:
        simulators: Any = environment
        return self.engine(
            simulators,
            EpisodeReturns(1, episodes),
            EpisodicReturn(self.limit),
            n_seeds=self.seeds,
            seed=self.seed,
            workers=workers,
            stream="evaluation",
            deterministic=deterministic,
        )
