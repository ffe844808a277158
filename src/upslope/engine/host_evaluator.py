"""Held-out episodes by an engine of the host: samplers of their own, apart from training's."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.actor import Actor
from upslope.core.records import Returns
from upslope.engine.iteration import stream_key
from upslope.environments.adaptors.gymnasium import GymnasiumSpec
from upslope.environments.environment import Environment
from upslope.objectives.objective import EpisodicReturn
from upslope.sampling.episode_returns import Recording
from upslope.sampling.experience import EpisodeReturns
from upslope.sampling.sampler import HostEngine, HostSampler
from upslope.sampling.simulators.filmed import FilmedSimulators, Take, episode_seeds


class HostEvaluator:
    """An `Evaluator` that samples outside the compiled program.

    `block` episodes of every seed are played side by side, and then the next so many, by one
    sampler: evaluations of any size need no more simulators than that.

    Args:
      engine: makes the sampler when it is asked for.
      environment: where the policies are evaluated.
      limit: steps after which an episode is truncated.
      seeds: S.
      seed: the run's.
      workers: how many processes the engine may use.
    """

    compile_seconds = 0.0

    def __init__(
        self,
        engine: HostEngine,
        environment: Environment | GymnasiumSpec,
        limit: int,
        seeds: int,
        seed: int,
        workers: int | str = "auto",
    ):
        self.engine, self.environment = engine, environment
        self.seeds, self.seed, self.workers = seeds, seed, workers
        self.block = 1
        self._key = stream_key(seed, "evaluation")
        self.limit = limit
        self._samplers: dict[tuple[int, bool], HostSampler] = {}

    def prepare(self, policies: Actor, deterministic: bool, pool: Executor) -> None:
        """Nothing: the first evaluation makes its sampler."""

    def evaluate(
        self, policies: Actor, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """See `Evaluator`."""
        sampler = self._sampler(self.block, deterministic)
        return self._play(sampler, policies, episodes, evaluation_index)

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
            return self._play(sampler, policies, episodes, evaluation_index), takes
        finally:
            sampler.close()

    def _play(
        self, sampler: HostSampler, policies: Actor, episodes: int, evaluation_index: int
    ) -> Returns:
        sampler.start_fresh_episodes(evaluation_index)
        key = jax.random.fold_in(self._key, evaluation_index)
        population = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, None], policies)
        parts: list[Returns] = []
        played = 0
        while played < episodes:
            of_block = jax.random.fold_in(key, len(parts)) if parts else key
            keys = jax.vmap(lambda i, key=of_block: jax.random.fold_in(key, i))(
                jnp.arange(self.seeds)
            )
            sampler.need_episodes(episodes - played)
            returns, _ = sampler.sample(keys, population)
            parts.append(returns)
            played += returns.lengths.shape[-1]
        join = lambda name: np.concatenate([np.asarray(getattr(p, name))[:, 0] for p in parts], 1)  # noqa: E731
        wanted = slice(None), slice(episodes)
        return Returns(join("returns")[wanted], join("lengths")[wanted])  # pyright: ignore[reportArgumentType]

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
