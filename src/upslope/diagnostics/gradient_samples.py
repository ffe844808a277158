"""Many independent estimates of one gradient, in blocks that fit the memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core.annotations import PyTree
from upslope.core.records import Trajectories
from upslope.core.tree import ravel_parameters
from upslope.environments.environment import Environment
from upslope.estimators.population.population_estimator import PopulationEstimator
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.sampling.episode_returns import sample_returns
from upslope.sampling.episodes import sample_episodes

# Numbers of a block of episodes that are held at once, about.
BLOCK = 16_000_000
# Lengths are multiples of it.
ROUNDED = 16
# Programs run for a second or two: the cheap half of LLVM's work is enough.
OPTIONS: dict[str, str | bool | int] = {"xla_backend_optimization_level": 1}


def quick(function: Callable[..., Any], *arguments: PyTree) -> Callable[..., Any]:
    """The compiled program of a function for arguments of these shapes."""
    lowered = jax.jit(function).lower(*arguments)
    if jax.default_backend() != "cpu":
        return lowered.compile()
    return lowered.compile(compiler_options=OPTIONS)  # pyright: ignore[reportArgumentType]


class EpisodeBlocks:
    """Blocks of batches of whole episodes of one policy, cut to the length they have.

    Args:
      key: of the sampling; the same key gives the same episodes.
      environment: in JAX.
      policy: who acts.
      objective: J. Averages over the steps of a batch count the limit's: nothing is cut then.
      batch: N, episodes in a batch: what one estimate is made of.
      batches: B, how many batches.
      limit: T, after how many steps an episode is cut.
    """

    def __init__(
        self,
        key: Array,
        environment: Environment,
        policy: Policy,
        objective: Objective,
        batch: int,
        batches: int,
        limit: int,
    ):
        width = max(jax.tree.leaves(jax.eval_shape(environment.reset, key)[1])[0].size, 1)
        per_batch = batch * limit * (2 * width + 6)
        self.size = int(np.clip(BLOCK // per_batch, 1, batches))
        self.blocks = -(-batches // self.size)
        self.batch, self.seconds, self.steps = batch, 0.0, 0
        keys = jax.random.split(key, self.blocks * self.size).reshape(self.blocks, self.size)

        def sample(keys: Array, policy: Policy) -> tuple[Trajectories, Array]:
            # All episodes of a block end together: one loop for all of them.
            episodes = jax.vmap(lambda k: sample_episodes(k, environment, policy, batch, limit)[0])(
                keys
            )
            return episodes, jnp.sum(episodes.valid, axis=1)

        self._keys, self._sample = keys, quick(sample, keys[0], policy)
        self._length, self._limit, self._policy = 0, limit, policy
        if objective.differential:
            self._length = limit

    def __iter__(self) -> Iterator[Trajectories]:
        """Leaves [C, T', N, ...], T' long enough for all episodes of the block."""
        for keys in self._keys:
            began = time.perf_counter()
            episodes, lengths = self._sample(keys, self._policy)
            lengths = np.asarray(lengths)
            self.seconds += time.perf_counter() - began
            self.steps += int(lengths.sum())
            if lengths.max() > self._length:  # programs are compiled for each length
                self._length = min(room(lengths.ravel(), self.blocks), self._limit)
            cut = episodes._replace(memory=())
            cut = jax.tree.map(lambda leaf: leaf[:, : self._length], cut)
            yield cut._replace(memory=episodes.memory)

    @property
    def count(self) -> int:
        """How many batches there are, all blocks together."""
        return self.blocks * self.size


def room(lengths: np.ndarray, blocks: int) -> int:
    """A length that the episodes of so many blocks will hardly exceed, judged by those of one.

    With the tail of a geometric distribution, as that of processes that forget, the longest of k
    times as many is longer by log(k) decay lengths; four more leave a chance of 2 % to be wrong.
    """
    longest = int(lengths.max())
    tenth, hundredth = np.quantile(lengths, [0.9, 0.99])
    decay = (hundredth - tenth) / np.log(10.0)
    wanted = longest + decay * (np.log(blocks) + 4.0 if blocks > 1 else 0.0)
    return int(-(-wanted // ROUNDED) * ROUNDED)


class TrajectoryProgram:
    """One estimator over blocks of episodes: `(block) -> estimates [C, D]`.

    Args:
      estimate: `(numbers, policy, episodes, objective) -> gradient`, a tree of the policy's
        structure.
      numbers: of the estimator.
      policy: whose gradient it is.
      objective: J.
    """

    def __init__(
        self, estimate: Callable[..., Any], numbers: PyTree, policy: Policy, objective: Objective
    ):
        self._programs: dict[int, Callable[..., Any]] = {}
        self.seconds = 0.0

        # All numbers are arguments: XLA would spend seconds on folding them into the program.
        def rows(given: tuple[PyTree, Policy, Objective], block: Trajectories) -> Array:
            def one(episodes: Trajectories) -> Array:
                numbers, policy, objective = given
                return ravel_parameters(estimate(numbers, policy, episodes, objective))[0]

            return jax.vmap(one)(block)

        self._rows, self._given = rows, (numbers, policy, objective)

    def ready(self, block: Trajectories) -> None:
        """Compiles for blocks of this length, where that has not been done."""
        length = block.reward.shape[1]
        if length not in self._programs:
            self._programs[length] = quick(self._rows, self._given, block)

    def __call__(self, block: Trajectories) -> np.ndarray:
        """The estimates of a block."""
        self.ready(block)
        length = block.reward.shape[1]
        began = time.perf_counter()
        rows = np.asarray(self._programs[length](self._given, block))
        self.seconds += time.perf_counter() - began
        return rows


def population_estimates(
    key: Array,
    estimator: PopulationEstimator,
    environment: Environment,
    policy: Policy,
    objective: Objective,
    estimates: int,
    limit: int,
) -> Iterator[tuple[np.ndarray, int, float]]:
    """Estimates from the returns of perturbed policies, one episode each.

    Yields:
      Estimates [C, D], the environment steps they took, and the seconds.
    """

    def one(key: Array) -> tuple[Array, Array]:
        propose_key, sample_key = jax.random.split(key)
        candidates = estimator.propose(propose_key, policy)
        returns, statistics = sample_returns(
            sample_key, environment, candidates, objective, 1, limit
        )
        gradient = estimator.estimate(policy, candidates, returns.returns[:, 0])
        return ravel_parameters(gradient)[0], statistics.steps

    size = int(np.clip(2048 // estimator.population_size, 1, estimates))
    blocks = -(-estimates // size)
    keys = jax.random.split(key, blocks * size).reshape(blocks, size)
    program = quick(jax.vmap(one), keys[0])
    for block in keys:
        began = time.perf_counter()
        rows, steps = program(block)
        rows = np.asarray(rows)
        yield rows, int(np.sum(np.asarray(steps))), time.perf_counter() - began
