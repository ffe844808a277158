"""The actions of all simulators, of all seeds, as one compiled call a step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from upslope.core import tree
from upslope.core.actor import Actor
from upslope.core.annotations import Action, Extras, Key, Memory, Observation
from upslope.core.moments import Moments
from upslope.core.records import Act


class ActionBatch(NamedTuple):
    """What one call returns; the grid is [S, N] or [S, P, E]."""

    action: Action  # grid + [...]
    memory: Memory  # grid + [...], after the action
    extras: Extras  # grid + [...], what the actor noted of this step
    moments: Moments | None  # [S, ...] of the observations seen so far, where they are wanted


class PolicyProgram(NamedTuple):
    """Compiled functions for actors of one structure."""

    act: Callable[..., ActionBatch]
    restart: Callable[..., Memory]


class ActionSampler(Protocol):
    """The actors of one call of a sampler, ready to act for all simulators at once.

    Attributes:
      moments: of the observations seen so far, where they are counted.
    """

    moments: Moments | None

    def initial_memory(self) -> Memory:
        """The memory of every simulator at the start of an episode; `()` without memory."""
        ...

    def restart(self, memory: Memory, fresh: np.ndarray) -> Memory:
        """The memory, begun anew where an episode begins."""
        ...

    def act(
        self,
        time: int,
        observation: Observation,
        memory: Memory,
        fresh: np.ndarray,
        seen: np.ndarray,
    ) -> tuple[np.ndarray, Memory, Extras]:
        """Actions, grid + [...], the memory after them, and the extras.

        Args:
          time: the step within the call.
          observation: grid + [...], or a tree of such arrays.
          memory: grid + [...], before it is begun anew where `fresh`.
          fresh: booleans of the grid: where an episode begins.
          seen: booleans of the grid: which observations count in the moments.
        """
        ...


class JaxActionSampler:
    """An `ActionSampler` that is one compiled call a step.

    The key of an action depends on its seed, its step and its slot alone (with `common_keys`, on
    its episode instead of its slot).

    Args:
      keys: typed keys [S].
      candidates: leaves [S, ...], or [S, P, ...] where the grid is [S, P, E].
      grid: how the simulators are laid out.
      deterministic: act without exploration (`greedy`).
      common_keys: in a grid [S, P, E], all candidates of a seed draw with the same keys.
      count_moments: whether moments of the observations are gathered.
    """

    def __init__(
        self,
        keys: Array,
        candidates: Actor,
        grid: tuple[int, ...],
        *,
        deterministic: bool = False,
        common_keys: bool = False,
        count_moments: bool = False,
    ):
        # One device: a step's work is too small to be worth a second one.
        device = jax.local_devices(backend="cpu")[0] if _on_cpu() else None
        data = jax.random.key_data(keys)
        leaves, structure = jax.tree.flatten(candidates)
        self._data, self._leaves = jax.device_put((data, leaves), device)
        self._grid = grid
        implementation = str(jax.random.key_impl(keys))
        self._program = policy_program(
            structure, grid, deterministic, common_keys, count_moments, implementation
        )
        self.moments: Moments | None = None

    def initial_memory(self) -> Memory:
        """The memory of every simulator at the start of an episode; `()` without memory."""
        return self._program.restart(self._leaves, None, np.ones(self._grid, bool))

    def restart(self, memory: Memory, fresh: np.ndarray) -> Memory:
        """The memory, begun anew where an episode begins."""
        if not jax.tree.leaves(memory) or not fresh.any():
            return memory
        return self._program.restart(self._leaves, memory, fresh)

    def act(
        self,
        time: int,
        observation: Observation,
        memory: Memory,
        fresh: np.ndarray,
        seen: np.ndarray,
    ) -> tuple[np.ndarray, Memory, Extras]:
        """See `ActionSampler`."""
        out = self._program.act(
            self._leaves,
            self._data,
            np.uint32(time),
            observation,
            memory,
            fresh,
            seen,
            self.moments,
        )
        self.moments = out.moments
        return np.asarray(out.action), out.memory, jax.tree.map(np.asarray, out.extras)


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"


@functools.lru_cache(maxsize=64)
def policy_program(
    structure: jax.tree_util.PyTreeDef,
    grid: tuple[int, ...],
    deterministic: bool,
    common_keys: bool,
    count_moments: bool,
    implementation: str,
) -> PolicyProgram:
    """The compiled functions for one structure of actors and one layout of simulators."""

    def first(candidates: Actor) -> Memory:
        make: Any = lambda actor: jax.tree.map(jnp.asarray, actor.initial_memory())  # noqa: E731
        for _ in grid[:-1]:
            make = jax.vmap(make)
        lead = len(grid) - 1

        def spread(leaf: Array) -> Array:
            return jnp.broadcast_to(jnp.expand_dims(leaf, lead), (*grid, *leaf.shape[lead:]))

        return jax.tree.map(spread, make(candidates))

    def one(actor: Actor, observation: Observation, memory: Memory, key: Key) -> Act:
        return actor.act(actor.noise(key), observation, memory)

    # An actor is shared by its own simulators: the innermost map is over them alone.
    everyone = jax.vmap(one, in_axes=(None, 0, 0, 0))
    for _ in grid[:-1]:
        everyone = jax.vmap(everyone)

    def slot_keys(key: Array) -> Array:
        if common_keys and len(grid) == 3:
            row = jax.random.split(key, grid[2:])
            return jnp.broadcast_to(row[None], grid[1:])
        return jax.random.split(key, grid[1:])

    def act(
        leaves: list[Array],
        data: Array,
        time: Array,
        observation: Observation,
        memory: Memory,
        fresh: Array,
        seen: Array,
        moments: Moments | None,
    ) -> ActionBatch:
        candidates = jax.tree.unflatten(structure, leaves)
        keys = jax.random.wrap_key_data(data, impl=implementation)
        keys = jax.vmap(lambda key: slot_keys(jax.random.fold_in(key, time)))(keys)
        if jax.tree.leaves(memory):
            memory = tree.where(fresh, first(candidates), memory)
        actors = candidates.greedy() if deterministic else candidates
        action, memory, extras = everyone(actors, observation, memory, keys)
        if count_moments:
            now = jax.vmap(Moments.of)(observation, seen)
            moments = now if moments is None else jax.vmap(Moments.merge)(moments, now)
        return ActionBatch(action, memory, extras, moments)

    def restart(leaves: list[Array], memory: Memory | None, fresh: Array) -> Memory:
        initial = first(jax.tree.unflatten(structure, leaves))
        return initial if memory is None else tree.where(fresh, initial, memory)

    return PolicyProgram(jax.jit(act), jax.jit(restart))
