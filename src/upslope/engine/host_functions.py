"""What is compiled of a search around a sampler of the host: what happens between its samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.stages import Compiled, Wrapped

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.annotations import PyTree
from upslope.core.records import EpisodeStatistics, Replayed
from upslope.engine.iteration import iteration_key
from upslope.engine.rows import Diagnostics, Outcome, Records, RowSums, add, no_sums, row_of
from upslope.objectives.objective import Objective
from upslope.policies.policy import Policy
from upslope.search.search_method import SearchMethod


class HostCarry(NamedTuple):
    """All that the seeds need to go on; leaves [S, ...] but the last."""

    state: Any  # the search method's
    iteration: Array  # int: how many this seed has done
    simulators: Any = ()  # uint8 [B] in checkpoints: the sampler's state, and sums of the log row


class HostFunctions:
    """The functions of one search, or of all that differ from it in numbers alone.

    Args:
      policy: a fresh policy from a key.
      seeds: S.
      mesh: of devices, with the axis "seeds".

    Attributes:
      start: compiled, or None yet; keys [S] to a carry.
      shapes: of that carry.
      start_jit, ask, tell_jit, tell_keeping_jit, keys, add, close, stops: jitted.
      tell: compiled, by the shapes of the experience.
    """

    def __init__(self, policy: Callable[[Array], Policy], seeds: int, mesh: Mesh):
        rows, everything = PartitionSpec("seeds"), PartitionSpec()

        def shard(
            function: Callable[..., PyTree],
            inputs: tuple[PartitionSpec, ...],
            donate: int | tuple[int, ...] = (),
        ) -> Wrapped:
            mapped = jax.shard_map(
                function, mesh=mesh, in_specs=inputs, out_specs=rows, check_vma=False
            )
            return jax.jit(mapped, donate_argnums=donate)

        def start(method: SearchMethod, objective: Objective, keys: Array) -> HostCarry:
            def one(key: Array) -> HostCarry:
                policy_key, method_key = jax.random.split(key)
                state = method.init(method_key, policy(policy_key), objective)
                return jax.tree.map(jnp.asarray, HostCarry(state, jnp.asarray(0)))

            return jax.vmap(one)(keys)

        def ask(method: SearchMethod, keys: Array, state: PyTree) -> Actor:
            # A copy: the state itself is donated to `tell`.
            return jax.lax.optimization_barrier(jax.vmap(method.ask)(keys, state))

        def tell(
            method: SearchMethod,
            objective: Objective,
            keys: Array,
            candidates: Actor,
            experience: PyTree,
            state: PyTree,
        ) -> tuple[PyTree, Diagnostics, Array, Array | None]:
            def one(
                key: Array, state: PyTree, candidates: Actor, experience: PyTree
            ) -> tuple[PyTree, Diagnostics, Array, Array | None]:
                state, diagnostics = method.tell(key, state, candidates, experience, objective)
                finite = jnp.all(jnp.isfinite(ravel_pytree(method.solution(state))[0]))
                replayed = isinstance(experience, Replayed)
                priorities = method.priorities(state) if replayed else None
                return state, diagnostics, finite, priorities

            return jax.vmap(one)(keys, state, candidates, experience)

        def keys(key: Array, iteration: Array) -> tuple[Array, ...]:
            def one(index: Array, iteration: Array) -> Array:
                return jax.random.split(iteration_key(key, index, iteration), 3)

            drawn = jax.vmap(one)(jnp.arange(seeds), iteration)
            return tuple(drawn[:, i] for i in range(3))

        def add_row(
            sums: RowSums, active: Array, statistics: EpisodeStatistics, diagnostics: Diagnostics
        ) -> RowSums:
            return tree.where(active, jax.vmap(add)(sums, statistics, diagnostics), sums)

        def close_row(
            sums: RowSums, ends: Array, last: Outcome, finite: Array
        ) -> tuple[RowSums, Records]:
            def one(sums: RowSums, last: Outcome, finite: Array) -> tuple[RowSums, Records]:
                return no_sums(last[1]), row_of(sums, last, finite)

            following, row = jax.vmap(one)(sums, last, finite)
            row = row._replace(iterations=jnp.where(ends, row.iterations, 0))
            return tree.where(ends, following, sums), row

        split = NamedSharding(mesh, PartitionSpec("seeds"))
        self.start_jit = shard(start, (everything, everything, rows))
        self.ask = shard(ask, (everything, rows, rows))
        specs = (everything, everything, rows, rows, rows, rows)
        # The state is donated, unless the seeds that stand still need the old one.
        self.tell_jit = shard(tell, specs, donate=5)
        self.tell_keeping_jit = shard(tell, specs)
        self.keys = jax.jit(keys, out_shardings=split)
        self.add, self.close = jax.jit(add_row), jax.jit(close_row)
        self.stops = jax.jit(lambda method, state: jax.vmap(method.stopped)(state))
        self.start: Compiled | None = None
        self.shapes: Any = None
        self.tell: dict[tuple[Any, ...], Compiled] = {}
