"""An engine from outside the library: a toy cluster whose workers play stretches of steps.

Threads stand in for the workers of a cluster such as Ray's. What travels to a worker is what would
travel there: NumPy twins of the policies (no JAX in the worker), which slots it plays and how far;
what comes back is arrays. A slot is a stream of episodes in one simulator. Its numbers follow from
the run's seed, the slot and the call's key alone, so that it does not matter which worker plays it.

    ENGINES.register("toy-cluster", ToyCluster)
    upslope.train("gymnasium:CartPole-v1", "ppo", engine="toy-cluster", workers=3)
"""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from upslope.core.checks import UpslopeError
from upslope.core.records import Returns, Trajectories
from upslope.policies.twin.actor import generator
from upslope.sampling import EpisodeReturns, HostSampler, Steps
from upslope.sampling.simulators.host_statistics import host_statistics, nothing_sampled
from upslope.sampling.simulators.twin_sampler import twins_of


class Slot:
    """A simulator and the episode under way in it: restored by replaying seed and actions."""

    def __init__(self, build, words, horizon):
        self.build, self.words, self.horizon = build, words, horizon
        self.simulator = None
        self.episode = 0  # how many have begun
        self.actions = []  # of the episode under way
        self.total = 0.0

    def begin(self, words=()):
        """A fresh episode, whose seed follows from the slot, the episode's number and the words."""
        if self.simulator is None:
            self.simulator = self.build()
        entropy = [*self.words, *(words or (self.episode,))]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
        self.episode, self.actions, self.total = self.episode + 1, [], 0.0
        self.observation = np.asarray(self.simulator.reset(seed=seed)[0], np.float32)

    def step(self, action):
        """One step; an end does not begin the next episode yet."""
        out = self.simulator.step(action)
        self.actions.append(action)
        self.total += float(out[1])
        self.observation = np.asarray(out[0], np.float32)
        late = self.horizon is not None and len(self.actions) >= self.horizon
        return float(out[1]), bool(out[2]), bool(out[3] or late) and not out[2]

    def replay(self, episode, actions):
        """Brings the slot to where it was."""
        self.episode = episode - 1
        self.begin()
        for action in actions:
            self.step(action)


class ToyCluster(HostSampler):
    """The experiences `Steps` and `EpisodeReturns`, for policies without memory.

    See `HostEngine` for the arguments.
    """

    def __init__(
        self, environment, spec, objective, *, n_seeds, seed, workers, stream, deterministic
    ):
        if not hasattr(environment, "build"):
            raise UpslopeError("The toy cluster needs simulators: 'gymnasium:ID'.")
        if isinstance(spec, Steps):
            self.grid = (n_seeds, 1, spec.n_envs)
        elif isinstance(spec, EpisodeReturns):
            self.grid = (n_seeds, spec.population_size, spec.episodes_per_candidate)
        else:
            raise UpslopeError(f"The toy cluster does not sample {type(spec).__name__}.")
        self.spec, self.objective, self.deterministic = spec, objective, deterministic
        self.statistics = nothing_sampled(n_seeds)
        self.horizon, self.build = getattr(objective, "horizon", None), environment.build
        self.words = (seed, zlib.crc32(stream.encode()))
        self.workers = 2 if workers == "auto" else max(int(workers), 1)
        self.pool = ThreadPoolExecutor(self.workers)
        self.start_fresh_episodes(0)

    def start_fresh_episodes(self, iteration):
        count = range(int(np.prod(self.grid)))
        self.slots = [Slot(self.build, (*self.words, iteration, i), self.horizon) for i in count]

    def sample(self, keys, actors, /):
        lead = 2 if isinstance(self.spec, EpisodeReturns) else 1
        twins = twins_of(actors, lead)
        if twins is None or any(twin.has_memory for twin in twins):
            raise UpslopeError("The toy cluster plays policies that have a twin and no memory.")
        words = np.asarray(jax.random.key_data(keys)).tolist()
        seeds, _, episodes = self.grid
        each = len(self.slots) // seeds

        def work(worker):
            """What one worker does: its slots, one after the other."""
            mine = range(worker, len(self.slots), self.workers)
            return [
                self.play(self.slots[i], twins[i // episodes], (*words[i // each], i)) for i in mine
            ]

        parts = list(self.pool.map(work, range(self.workers)))
        rows = [parts[i % self.workers][i // self.workers] for i in range(len(self.slots))]
        if isinstance(self.spec, Steps):
            return self.trajectories(rows), self
        return self.returns(rows), self

    def play(self, slot, twin, words):
        """A stretch of steps with what ends within it, or one whole episode.

        A whole episode follows from the call's key: nothing of it needs to be stored, nor taken
        back where a seed has stopped.
        """
        noise = None if self.deterministic else generator(0, *words)
        whole = isinstance(self.spec, EpisodeReturns)
        if whole:
            slot.begin(words)
        elif slot.episode == 0:
            slot.begin()
        rows, ended = [], []
        while len(rows) < (np.inf if whole else self.spec.n_steps):
            before = slot.observation
            action = twin.act(before, (), noise)[0]
            reward, terminated, truncated = slot.step(action)
            rows.append((before, action, reward, slot.observation, terminated, truncated))
            if terminated or truncated:
                ended.append((slot.total, len(slot.actions)))
                if whole:
                    break
                slot.begin()
        return rows, ended

    def trajectories(self, rows):
        """The steps of all slots as leaves [S, T, N, ...]."""
        seeds, _, n = self.grid

        def column(k):
            slots = np.stack([np.stack([step[k] for step in steps]) for steps, _ in rows])
            return np.moveaxis(slots.reshape(seeds, n, *slots.shape[1:]), 2, 1)

        observation, action, reward, successor, terminated, truncated = map(column, range(6))
        self.describe(rows)
        return Trajectories(
            observation=observation,
            action=action.astype(np.int32) if action.dtype == np.int64 else action,
            reward=reward.astype(np.float32),
            next_observation=successor,
            terminated=terminated,
            truncated=truncated,
            valid=np.ones_like(terminated),
            memory=(),
            extras=(),
        )

    def returns(self, rows):
        totals = np.array([ended[0][0] for _, ended in rows], np.float32).reshape(self.grid)
        lengths = np.array([ended[0][1] for _, ended in rows], np.int32).reshape(self.grid)
        self.describe(rows)
        return Returns(self.objective.episode_return(totals, lengths), lengths)

    def describe(self, rows):
        seeds = self.grid[0]
        ended = np.array([np.sum(e or [(0.0, 0)], axis=0) for _, e in rows]).reshape(seeds, -1, 2)
        counts = np.array([len(e) for _, e in rows]).reshape(seeds, -1).sum(axis=1)
        steps = np.array([len(r) for r, _ in rows]).reshape(seeds, -1).sum(axis=1)
        none = np.full(ended.shape[:2], -1)
        self.statistics = host_statistics(ended[..., 0], ended[..., 1], counts, steps, none)

    def state(self, *, replay=True):
        if isinstance(self.spec, EpisodeReturns):
            return {}
        return {
            "episode": np.array([slot.episode for slot in self.slots]),
            "length": np.array([len(slot.actions) for slot in self.slots]),
            "action": np.array([action for slot in self.slots for action in slot.actions]),
        }

    def restore(self, state):
        if "episode" not in state:
            return
        ends = np.cumsum(state["length"])
        actions = np.split(state["action"], ends[:-1])
        for slot, episode, taken in zip(self.slots, state["episode"], actions, strict=True):
            if episode:
                slot.replay(int(episode), list(taken))

    def close(self):
        self.pool.shutdown()
        for slot in self.slots:
            if slot.simulator is not None:
                slot.simulator.close()
