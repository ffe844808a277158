"""The compiled programs of a search in a JAX environment: start, advance, evaluate."""

from __future__ import annotations

import time
import warnings
from collections.abc import Hashable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.records import EpisodeStatistics, Returns
from upslope.engine.devices import DeviceLayout, layout_for, memory_bytes, place_empty
from upslope.engine.evaluator import EVALUATION_LIMIT, Evaluator
from upslope.engine.executables import batches_seeds, compiled
from upslope.engine.iteration import iteration_key, may_stop, stream_key
from upslope.engine.jax_evaluator import JaxEvaluator
from upslope.engine.kept_programs import SEARCHES, key_of
from upslope.engine.problem import Problem
from upslope.engine.rows import (
    Outcome,
    Records,
    RowSums,
    add,
    iterations_per_row,
    no_sums,
    record_of,
    row_of,
)
from upslope.environments.environment import Environment
from upslope.objectives.objective import Objective
from upslope.sampling.experience import Dynamics, Replay, Steps
from upslope.sampling.jax_sampler import JaxSampler, episode_limit
from upslope.sampling.replay import bytes_of, refilled, refuse_beyond_memory, saves_replay
from upslope.search.iteration import iterate
from upslope.search.search_method import SearchMethod
from upslope.storage.leaves import MayBeAbsent

# Rows of the log between two returns to the host, at most.
MAX_ROWS = 128


class Carry(NamedTuple):
    """All that a seed needs to go on; leaves [S, ...]."""

    state: Any  # the search method's
    sampler: Any  # what of the sampler goes on: streams, replay
    iteration: Array  # int: how many this seed has done
    row: Any  # sums of the log row under way; () where every iteration is a row


class SearchPrograms(NamedTuple):
    """What is compiled for a search."""

    start: Compiled
    shapes: Carry  # of what it starts with
    advance: Compiled


# What a compiled call reads and does not change: everything with hyper-parameters.
Numbers: TypeAlias = tuple[SearchMethod, Objective, Environment]

# Rows written, iterations done, the seeds, the steps [S] each has taken, whether everything was
# finite, and the rows [K, S].
SearchLoop: TypeAlias = tuple[Array, Array, Carry, Array, Array, Records]


class JaxProgram:
    """Runs S seeds of one problem side by side, sharded over the host devices.

    Every seed is a function of (run seed, its own number, its own iteration) alone: how many
    iterations a call does changes nothing else, and how many seeds or devices share it only how
    matrix products round. Devices that seeds leave over share the populations of each seed.

    Args:
      problem: what to run; its environment is one in JAX.
      seeds: S.
      seed: the run's seed.
      total_timesteps: of the whole run: how many iterations a row of the log sums up follows.
      evaluator: of held-out episodes; None: in the same environment.
      layout: on devices; None: that of a run that begins in this process.
      save_replay: whether checkpoints hold what `Replay` keeps; "auto" goes by its size.
    """

    irreproducible = ""  # a compiled program is a function of its seed

    def __init__(
        self,
        problem: Problem,
        seeds: int,
        seed: int,
        total_timesteps: int | None = None,
        evaluator: Evaluator | None = None,
        layout: DeviceLayout | None = None,
        save_replay: bool | str = "auto",
    ):
        self.save_replay = save_replay
        assert isinstance(problem.environment, Environment)
        self.problem = problem
        self.iterations_per_row = iterations_per_row(
            problem.method.experience, total_timesteps or 1
        )
        self.seeds = seeds
        population = getattr(problem.method.experience, "population_size", 1)
        self.layout = layout or layout_for(seeds, population)
        devices = self.layout.devices()
        self.devices = devices.reshape(-1).tolist()
        mesh = Mesh(devices, ("seeds", "population"))
        self._axis = "population" if devices.shape[1] > 1 else None
        self.split = NamedSharding(mesh, PartitionSpec("seeds"))
        self.whole = NamedSharding(mesh, PartitionSpec())
        self.mesh = mesh
        # Everything a call needs besides is numpy: no small program is compiled on the way.
        self.seed = np.uint32(seed)
        self._compile_seconds = 0.0
        limit = episode_limit(problem.environment, problem.objective) or EVALUATION_LIMIT
        self.evaluator = evaluator or JaxEvaluator(problem.environment, limit, seed)
        self._numbers = jax.device_put(
            (problem.method, problem.objective, problem.environment), self.whole
        )
        self._start = self._advance = None
        self._may_stop = may_stop(problem.method)
        self._stops = jax.jit(lambda method, state: jax.vmap(method.stopped)(state))
        # Traced once where its shapes are asked for and it is then run.
        self._step = jax.jit(self._iterate, inline=True)

    # What is compiled.

    def _start_seed(self, numbers: Numbers, seed: Array, index: Array) -> Carry:
        method, objective, environment = numbers
        key = jax.random.fold_in(stream_key(seed, "start"), index)
        policy_key, method_key, sampler_key = jax.random.split(key, 3)
        policy = self.problem.policy(policy_key)
        state = method.init(method_key, policy, objective)
        actor = policy
        if isinstance(method.experience, Steps | Replay):
            actor = method.ask(method_key, state)  # for its shapes
        sampler = JaxSampler.create(sampler_key, environment, method.experience, objective, actor)
        # Python numbers would change type on the first step.
        carry = jax.tree.map(jnp.asarray, Carry(state, sampler.state, jnp.asarray(0), ()))
        if self.iterations_per_row == 1:
            return carry
        # What the method logs is known once an iteration has been traced.
        shapes = jax.eval_shape(self._iterate, numbers, key, index, carry)
        return carry._replace(row=no_sums(shapes[1][1]))

    def _iterate(
        self, numbers: Numbers, key: Array, index: Array, carry: Carry
    ) -> tuple[Carry, Outcome]:
        """One iteration of one seed: where it is then, and what happened."""
        method, objective, environment = numbers
        streams, replay = carry.sampler
        sampler = JaxSampler(
            environment=environment,
            objective=objective,
            experience=method.experience,
            streams=streams,
            replay=replay,
            statistics=EpisodeStatistics.nothing(),
            axis=self._axis,
        )
        state, sampler, diagnostics = iterate(
            iteration_key(key, index, carry.iteration), method, objective, carry.state, sampler
        )
        new = Carry(state, sampler.state, carry.iteration + 1, carry.row)
        if self.iterations_per_row > 1 and carry.row != ():
            new = new._replace(row=add(carry.row, sampler.statistics, diagnostics))
        return new, (sampler.statistics, diagnostics)

    def _row(
        self, solution: Actor, sums: RowSums | tuple[()], last: Outcome
    ) -> tuple[RowSums | tuple[()], Records]:
        """The log row that ends here, of one seed, and the sums of the next one."""
        finite = jnp.all(jnp.isfinite(ravel_pytree(solution)[0]))
        if not isinstance(sums, RowSums):  # every iteration is a row
            return sums, record_of(last, finite)
        return no_sums(last[1]), row_of(sums, last, finite)

    def _search(
        self, numbers: Numbers, key: Array, index: Array, carry: Carry, wanted: Array, count: Array
    ) -> tuple[Carry, Records]:
        """Up to `count` iterations of one seed, or of the seeds that are vmapped.

        The axis of the seeds, where there is one, lies inside this loop; where there is none, no
        state is copied from one iteration to the next.
        """
        batched = index.ndim > 0
        step, close, solve = self._step, self._row, numbers[0].solution
        if batched:
            step = jax.vmap(step, in_axes=(None, None, 0, 0))
            close, solve = jax.vmap(close), jax.vmap(solve)
        # With fixed batches all seeds need the same number of iterations.
        uneven = batched and (
            self._may_stop or not isinstance(numbers[0].experience, Steps | Replay)
        )
        halted = numbers[0].stopped
        if batched:
            halted = jax.vmap(halted)
        if not self._may_stop:
            halted = lambda _: 0  # noqa: E731
        per_row = self.iterations_per_row

        def body(loop: SearchLoop) -> SearchLoop:
            number, done, carry, taken, healthy, buffers = loop
            active = (taken < wanted) & (halted(carry.state) == 0)
            new, last = step(numbers, key, index, carry)
            if uneven:
                new = tree.where(active, new, carry)
            statistics = last[0]
            taken = taken + jnp.where(active, statistics.steps, 0).astype(taken.dtype)
            ends = active
            if per_row > 1:
                over = (taken >= wanted) | (halted(new.state) != 0)
                ends = active & ((new.iteration % per_row == 0) | over)

            def write(
                solution: Actor, row: RowSums | tuple[()], buffers: Records
            ) -> tuple[RowSums | tuple[()], Records, Array]:
                following, record = close(solution, row, last)
                record = record._replace(iterations=jnp.where(ends, record.iterations, 0))
                buffers = jax.tree.map(
                    lambda buffer, value: jax.lax.dynamic_update_index_in_dim(
                        buffer, value.astype(buffer.dtype), number, 0
                    ),
                    buffers,
                    record,
                )
                if per_row > 1:
                    row = tree.where(ends, following, row)
                return row, buffers, jnp.all(~ends | record.finite)

            arguments = (solve(new.state), new.row, buffers)
            if per_row == 1:
                row, buffers, finite = write(*arguments)
            else:
                row, buffers, finite = jax.lax.cond(
                    jnp.any(ends),
                    write,
                    lambda _, row, kept: (row, kept, jnp.asarray(True)),
                    *arguments,
                )
            new = new._replace(row=row)
            healthy = healthy & finite & jnp.all(~active | (statistics.nonfinite_env == 0))
            return number + jnp.any(ends), done + 1, new, taken, healthy, buffers

        def going(loop: SearchLoop) -> Array:
            number, done, carry, taken, healthy, _ = loop
            active = (taken < wanted) & (halted(carry.state) == 0)
            return (number < MAX_ROWS) & (done < count) & healthy & jnp.any(active)

        _, shapes = jax.eval_shape(step, numbers, key, index, carry)
        _, record = jax.eval_shape(close, solve(carry.state), carry.row, shapes)
        buffers = jax.tree.map(lambda leaf: jnp.zeros((MAX_ROWS, *leaf.shape), leaf.dtype), record)
        zero = jnp.int32(0)
        taken = jnp.zeros(index.shape, jnp.int32)
        loop = (zero, zero, carry, taken, jnp.asarray(True), buffers)
        _, _, carry, _, _, buffers = jax.lax.while_loop(going, body, loop)
        return carry, buffers

    def _advance_shard(
        self,
        numbers: Numbers,
        seed: Array,
        indices: Array,
        carry: Carry,
        wanted: Array,
        count: Array,
    ) -> tuple[Carry, Records]:
        key = stream_key(seed, "search")
        seeds = indices.shape[0]
        solution = jax.eval_shape(jax.vmap(numbers[0].solution), carry.state)
        parameters = sum(leaf.size for leaf in jax.tree.leaves(solution)) // seeds
        method = numbers[0]
        sequential = isinstance(method.experience, Dynamics) or method.writes_by_index
        if batches_seeds(seeds, parameters, sequential=sequential):
            return self._search(numbers, key, indices, carry, wanted, count)

        def one(mine: tuple[Array, Carry, Array]) -> tuple[Carry, Records]:
            index, carry, wanted = mine
            return self._search(numbers, key, index, carry, wanted, count)

        if seeds == 1:
            out = one(jax.tree.map(lambda leaf: leaf[0], (indices, carry, wanted)))
            carry, records = jax.tree.map(lambda leaf: leaf[None], out)
        else:
            carry, records = jax.lax.map(one, (indices, carry, wanted))
        return carry, jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, 1), records)

    def shapes(self) -> Carry:
        """The shapes and types of a carry, for reading a checkpoint."""
        streams, replay = self._shapes.sampler
        return self._shapes._replace(sampler=(streams, jax.tree.map(MayBeAbsent, replay)))

    def place(self, carry: Carry) -> Carry:
        """A carry read from a checkpoint, put on the devices; a buffer it lacks begins empty."""
        streams, replay = carry.sampler
        _, kept = self._shapes.sampler
        if kept is not None and not jax.tree.leaves(replay):
            warnings.warn(refilled(type(self.problem.environment).__name__), stacklevel=2)
            replay = self.start().sampler[1]
        return jax.device_put(carry._replace(sampler=(streams, replay)), self.split)

    # What the loop calls.

    def compile(self, block: int, deterministic: bool = True) -> None:
        """Compiles all programs, one while the next is traced: side by side they need more memory.

        Args:
          block: how many episodes an evaluation runs at a time; larger ones run several blocks,
            so that one program serves all of them.
          deterministic: the kind of evaluation to be ready for; the other is compiled when asked.
        """
        self.evaluator.block = block
        began = time.perf_counter()
        self._indices = jax.device_put(np.arange(self.seeds, dtype=np.int32), self.split)
        key = self._key()
        known: SearchPrograms | None = SEARCHES.get(key)
        pool = ThreadPoolExecutor(1)
        if known is None:
            known = self._compiled(deterministic, pool)
            SEARCHES.put(key, known)
        else:
            self._shapes = known.shapes
            self._refuse_beyond_memory()
            self._prepare_evaluator(deterministic, pool)
        pool.shutdown(wait=False)
        self._start, self._advance = known.start, known.advance
        self._compile_seconds += time.perf_counter() - began

    def _key(self) -> Hashable | None:
        """What decides the programs; None where they are not to be shared with other searches."""
        policy = jax.eval_shape(self.problem.policy, jax.random.key(0))
        devices = tuple(device.id for device in self.devices)
        facts = (self.seeds, tuple(self.layout), devices, self.iterations_per_row)
        return key_of((self._numbers, policy), self.problem.policy, *facts)

    def _refuse_beyond_memory(self) -> None:
        """Raises for a replay that this machine cannot hold."""
        experience = self.problem.method.experience
        if isinstance(experience, Replay):
            replay = bytes_of(self._shapes.sampler[1])
            refuse_beyond_memory(experience, replay, memory_bytes(self.devices))

    def _prepare_evaluator(self, deterministic: bool, pool: Executor) -> None:
        solutions = jax.eval_shape(jax.vmap(self.problem.method.solution), self._shapes.state)
        self.evaluator.prepare(solutions, deterministic, pool)

    def _compiled(self, deterministic: bool, pool: Executor) -> SearchPrograms:
        """Traces and compiles the programs of the search, and those of the evaluations."""
        seed = jax.device_put(self.seed, self.whole)
        start = jax.jit(
            jax.vmap(self._start_seed, in_axes=(None, None, 0)), out_shardings=self.split
        ).lower(self._numbers, seed, self._indices)
        shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self.split),
            start.out_info,
        )
        self._shapes = shapes
        self._refuse_beyond_memory()
        start_job = pool.submit(compiled, start, optimize="compile_time")
        # The largest program comes last: it takes up the memory that the others have freed.
        self._prepare_evaluator(deterministic, pool)
        everything, rows = PartitionSpec(), PartitionSpec("seeds")
        columns = PartitionSpec(None, "seeds")
        advance = jax.jit(
            jax.shard_map(
                self._advance_shard,
                mesh=self.mesh,
                in_specs=(everything, everything, rows, rows, rows, everything),
                out_specs=(rows, columns),
                check_vma=False,
            ),
            donate_argnums=3,
        ).lower(
            self._numbers,
            seed,
            self._indices,
            shapes,
            jax.ShapeDtypeStruct((self.seeds,), np.int32, sharding=self.split),
            jax.ShapeDtypeStruct((), np.int32, sharding=self.whole),
        )
        advance_job = pool.submit(compiled, advance)
        # The main thread only waits, so that it can hear signals.
        return SearchPrograms(start_job.result(), shapes, advance_job.result())

    def start(self) -> Carry:
        """All seeds before their first iteration."""
        assert self._start is not None, "compile first"
        return self._start(self._numbers, jax.device_put(self.seed, self.whole), self._indices)

    def advance(self, carry: Carry, wanted: np.ndarray, count: int) -> tuple[Carry, Records]:
        """Up to `count` iterations; the carry is consumed.

        Args:
          carry: where the seeds are.
          wanted: [S] environment steps that each seed is still to take; it stops at the first
            iteration that reaches them.
          count: iterations at most; fewer where `MAX_ROWS` rows of the log are full.

        Returns:
          Where the seeds are then, and what happened. After an iteration with a NaN or an infinity
          nothing more is done.
        """
        assert self._advance is not None, "compile first"
        limit = np.iinfo(np.int32).max
        carry, records = self._advance(
            self._numbers,
            jax.device_put(self.seed, self.whole),
            self._indices,
            carry,
            jax.device_put(np.minimum(wanted, limit).astype(np.int32), self.split),
            jax.device_put(np.int32(count), self.whole),
        )
        return place_empty(carry, self.split), jax.device_get(records)

    def solutions(self, carry: Carry) -> Actor:
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

    def held(self, carry: Carry) -> None:
        """None: a compiled call is not left, its state is donated to it."""

    def pending_steps(self, carry: Carry) -> np.ndarray:
        """Steps [S] in the row of the log under way."""
        if self.iterations_per_row == 1:
            return np.zeros(self.seeds, np.int64)
        return np.asarray(jax.device_get(carry.row.steps), np.int64)

    def stops(self, carry: Carry) -> np.ndarray:
        """Why each seed's search cannot be expected to move any more [S]; 0 while it can."""
        if not self._may_stop:
            return np.zeros(self.seeds, np.int64)
        return np.asarray(jax.device_get(self._stops(self._numbers[0], carry.state)))

    def checkpoint(self, carry: Carry) -> Carry:
        """The carry as it is: the environments' states are part of it, a large buffer is not."""
        streams, replay = carry.sampler
        if saves_replay(self.save_replay, bytes_of(replay)):
            return carry
        return carry._replace(sampler=(streams, None))

    def close(self) -> None:
        """Ends what evaluations have started."""
        self.evaluator.close()
