"""A search around a sampler of the host: ask and tell are compiled, it runs between them."""

from __future__ import annotations

import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.records import Returns
from upslope.engine.devices import DeviceLayout, layout_for, place_empty
from upslope.engine.episode_infos import EpisodeInfos, side_by_side
from upslope.engine.evaluator import EVALUATION_LIMIT, Evaluator
from upslope.engine.host_evaluator import HostEvaluator
from upslope.engine.host_functions import HostCarry, HostFunctions
from upslope.engine.iteration import may_stop, stream_key
from upslope.engine.kept_programs import SEARCHES, key_of
from upslope.engine.problem import Problem
from upslope.engine.rows import (
    Records,
    RowSums,
    iterations_per_row,
    no_sums,
)
from upslope.sampling.jax_sampler import episode_limit
from upslope.sampling.replay import saves_replay
from upslope.sampling.sampler import HostEngine
from upslope.storage.leaves import AnyBytes
from upslope.storage.tensors import pack, unpack

# Where the steps stand among the leaves of a row's sums.
STEPS_LEAF = RowSums._fields.index("steps")
# Of what `Replay` keeps, so much is copied before a long iteration; else its end is waited for.
HELD_REPLAY_BYTES = 1 << 24
# Names of the program's own arrays beside those of the sampler's state.
ROW, INFO = "row.", "info."


class HostProgram:
    """Runs S seeds of one problem, sampled together by an engine outside the compiled program.

    A checkpoint holds the sampler's own `state`. A simulator's cannot be saved: the engine
    `gymnasium` stores what brings it back, the seed of each running episode and the actions since.

    Args:
      problem: what to run.
      engine: makes the sampler.
      seeds: S.
      seed: the run's seed.
      workers: how many processes the engine may use; `"auto"` leaves it to the engine.
      total_timesteps: of the whole run: how many iterations a row of the log sums up follows.
      evaluator: of held-out episodes; None: in the same environment, by the same engine.
      layout: on devices; None: that of a run that begins in this process.
      save_replay: whether checkpoints hold what `Replay` keeps; "auto" goes by its size.
    """

    def __init__(
        self,
        problem: Problem,
        engine: HostEngine,
        seeds: int,
        seed: int,
        workers: int | str = "auto",
        total_timesteps: int | None = None,
        evaluator: Evaluator | None = None,
        layout: DeviceLayout | None = None,
        save_replay: bool | str = "auto",
    ):
        self.save_replay = save_replay
        self.iterations_per_row = iterations_per_row(
            problem.method.experience, total_timesteps or 1
        )
        self.problem, self.engine = problem, engine
        self.seeds, self.seed, self.workers = seeds, seed, workers
        self.layout = layout or layout_for(seeds)
        mesh = Mesh(self.layout.devices()[:, 0], ("seeds",))
        self.split = NamedSharding(mesh, PartitionSpec("seeds"))
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.search_key = stream_key(seed, "search")
        self.start_key = stream_key(seed, "start")
        self._compile_seconds = 0.0
        limit = episode_limit(problem.environment, problem.objective) or EVALUATION_LIMIT
        self.evaluator = evaluator or HostEvaluator(
            engine, problem.environment, limit, seeds, seed, workers
        )
        self._numbers = jax.tree.map(jnp.asarray, (problem.method, problem.objective))
        self._functions = self._shared(mesh)
        self._may_stop = may_stop(problem.method)
        self._row: RowSums | None = None  # sums of the log row under way
        self._stored_row: list[np.ndarray] = []  # its leaves, from a checkpoint
        self._infos = EpisodeInfos(seeds)
        self.sampler = engine(
            problem.environment,
            problem.method.experience,
            problem.objective,
            n_seeds=seeds,
            seed=seed,
            workers=workers,
            stream="training",
            deterministic=False,
        )

    def _shared(self, mesh: Mesh) -> HostFunctions:
        """The functions of this search: those of an earlier one that was like it, if there is."""
        problem = self.problem
        policy = jax.eval_shape(problem.policy, jax.random.key(0))
        devices = tuple(device.id for device in mesh.devices.flat)
        key = key_of((self._numbers, policy), problem.policy, "host", self.seeds, devices)
        functions = SEARCHES.get(key)
        if functions is None:
            functions = HostFunctions(problem.policy, self.seeds, mesh)
            SEARCHES.put(key, functions)
        return functions

    def compile(self, block: int, deterministic: bool = True) -> None:
        """Compiles start and ask; tell is compiled when the first experience is there."""
        began = time.perf_counter()
        self.evaluator.block = block
        method, objective = self._numbers
        indices = jnp.arange(self.seeds)
        self.start_keys = jax.device_put(
            jax.vmap(lambda i: jax.random.fold_in(self.start_key, i))(indices), self.split
        )
        functions = self._functions
        if functions.start is None:
            lowered = functions.start_jit.lower(method, objective, self.start_keys)
            functions.shapes = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self.split),
                lowered.out_info,
            )
            functions.start = lowered.compile()
        self._compile_seconds += time.perf_counter() - began

    def shapes(self) -> HostCarry:
        """The shapes and types of a carry, for reading a checkpoint."""
        return self._functions.shapes._replace(simulators=AnyBytes())

    def place(self, carry: HostCarry) -> HostCarry:
        """A carry read from a checkpoint, put on the devices; the simulators are brought back."""
        arrays = unpack(np.asarray(carry.simulators).tobytes(), "The checkpoint's simulators")
        ours = (ROW, INFO)
        self.sampler.restore({k: v for k, v in arrays.items() if not k.startswith(ours)})
        self._infos.load({k.removeprefix(INFO): v for k, v in arrays.items() if k.startswith(INFO)})
        count = sum(name.startswith(ROW) for name in arrays)
        self._stored_row = [arrays[f"{ROW}{index}"] for index in range(count)]
        return jax.device_put(carry._replace(simulators=()), self.split)

    def pending_steps(self, carry: HostCarry) -> np.ndarray:
        """Steps [S] in the row of the log under way."""
        if self._row is None and not self._stored_row:
            return np.zeros(self.seeds, np.int64)
        steps = self._stored_row[STEPS_LEAF] if self._row is None else self._row.steps
        return np.asarray(steps, np.int64)

    def stops(self, carry: HostCarry) -> np.ndarray:
        """Why each seed's search cannot be expected to move any more [S]; 0 while it can."""
        if not self._may_stop:
            return np.zeros(self.seeds, np.int64)
        return np.asarray(jax.device_get(self._functions.stops(self._numbers[0], carry.state)))

    def checkpoint(self, carry: HostCarry) -> HostCarry:
        """The carry with the state of the simulators."""
        replay = saves_replay(self.save_replay, self.sampler.replay_bytes)
        arrays = self.sampler.state(replay=replay)
        row = self._stored_row if self._row is None else jax.tree.leaves(self._row)
        arrays |= {f"{ROW}{index}": np.asarray(leaf) for index, leaf in enumerate(row)}
        arrays |= {f"{INFO}{name}": sums for name, sums in self._infos.state().items()}
        return carry._replace(simulators=np.frombuffer(pack(arrays), np.uint8))

    def held(self, carry: HostCarry) -> HostCarry | None:
        """A checkpoint of its own memory; None where the steps that are kept make it large."""
        if self.sampler.replay_bytes > HELD_REPLAY_BYTES:
            return None
        return jax.device_get(self.checkpoint(carry))

    def start(self) -> HostCarry:
        """All seeds before their first iteration."""
        assert self._functions.start is not None, "compile first"
        return self._functions.start(*self._numbers, self.start_keys)

    def advance(
        self, carry: HostCarry, wanted: np.ndarray, count: int
    ) -> tuple[HostCarry, Records | None]:
        """Up to `count` iterations; each seed stops when it has taken the `wanted` steps."""
        taken, rows, infos = np.zeros(self.seeds, np.int64), [], []
        for _ in range(count):
            active = (taken < wanted) & (self.stops(carry) == 0)
            if not active.any():
                break
            carry, record = self._iterate(carry, active)
            self._infos.add(self.sampler.infos, active)
            taken += np.where(active, record.statistics.steps, 0)
            nonfinite = np.asarray(record.statistics.nonfinite_env) > 0
            lost = bool(np.any(active & (nonfinite | ~record.finite)))
            record = self._log(
                record,
                np.asarray(carry.iteration),
                (taken >= wanted) | (self.stops(carry) != 0),
                lost,
            )
            if record is not None:
                rows.append(record)
                infos.append(self._infos.close(np.asarray(record.iterations) > 0))
            if lost:
                break
        if not rows:
            return carry, None
        records = jax.tree.map(lambda *leaves: np.stack(leaves), *rows)
        return carry, records._replace(infos=side_by_side(infos, self.seeds))

    def _log(
        self, record: Records, iteration: np.ndarray, reached: np.ndarray, lost: bool
    ) -> Records | None:
        """The row that ends with this iteration, if one does."""
        if self.iterations_per_row == 1:
            return record
        active = record.iterations > 0
        last = (record.statistics, record.diagnostics)
        if self._row is None:
            blank = jax.vmap(lambda _: no_sums(jax.tree.map(lambda leaf: leaf[0], last[1])))
            self._row = blank(jnp.arange(self.seeds))
            if self._stored_row:
                stored = [jnp.asarray(leaf) for leaf in self._stored_row]
                self._row = jax.tree.unflatten(jax.tree.structure(self._row), stored)
        self._row = self._functions.add(self._row, active, *last)
        ends = active & ((iteration % self.iterations_per_row == 0) | reached | lost)
        if not ends.any():
            return None
        self._row, row = self._functions.close(self._row, ends, last, record.finite)
        return jax.tree.map(np.asarray, row)

    def _iterate(self, carry: HostCarry, active: np.ndarray) -> tuple[HostCarry, Records]:
        method, objective = self._numbers
        ask_keys, sample_keys, tell_keys = self._functions.keys(self.search_key, carry.iteration)
        carry = place_empty(carry, self.whole)
        candidates = self._functions.ask(method, ask_keys, carry.state)
        sampled, self.sampler = self.sampler.sample(sample_keys, candidates)
        experience = jax.device_put(sampled, self.split)
        uneven = not active.all()
        if uneven:
            self.sampler.take_back(~active)
        arguments = (method, objective, tell_keys, candidates, experience, carry.state)
        # Whole episodes come in batches of different lengths: one program for each.
        shape = (uneven, *(np.shape(leaf) for leaf in jax.tree.leaves(experience)))
        tell = self._functions.tell
        if shape not in tell:
            began = time.perf_counter()
            jitted = self._functions.tell_keeping_jit if uneven else self._functions.tell_jit
            tell[shape] = jitted.lower(*arguments).compile()
            self._compile_seconds += time.perf_counter() - began
        state, diagnostics, finite, priorities = tell[shape](*arguments)
        if priorities is not None:
            self.sampler.set_priorities(sampled, np.asarray(priorities), active)
        new = HostCarry(state, carry.iteration + 1)
        if uneven:
            new = tree.where(jnp.asarray(active), new, carry)
        statistics = jax.tree.map(np.asarray, self.sampler.statistics)
        iterations = np.asarray(active, np.int32)
        diagnostics, finite = jax.device_get((diagnostics, finite))
        return new, Records(iterations, statistics, diagnostics, np.asarray(finite))

    def solutions(self, carry: HostCarry) -> Actor:
        """The policies to keep, leaves [S, ...], as numpy arrays."""
        return jax.device_get(jax.vmap(self.problem.method.solution)(carry.state))

    def evaluate(
        self, policies: Actor, episodes: int, evaluation_index: int, deterministic: bool = True
    ) -> Returns:
        """Held-out undiscounted returns [S, E] of the policies (see `Evaluator`)."""
        return self.evaluator.evaluate(policies, episodes, evaluation_index, deterministic)

    @property
    def compile_seconds(self) -> float:
        """Spent on compiling so far."""
        return self._compile_seconds + self.evaluator.compile_seconds

    @property
    def irreproducible(self) -> str:
        """Why the same seed may give other numbers another time; empty where it does not."""
        return self.sampler.irreproducible

    def close(self) -> None:
        """Ends the samplers of training and of evaluation."""
        self.sampler.close()
        self.evaluator.close()
