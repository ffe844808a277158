"""The actions of all simulators by NumPy twins: no compiled call stands between two steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from upslope.core.actor import Actor, NumpyActor
from upslope.core.annotations import Extras, Memory, Observation, PyTree
from upslope.core.moments import Moments
from upslope.sampling.simulators.action_sampler import ActionSampler, JaxActionSampler

# A dispatch of a compiled call costs about as much as a network of this size on a few rows. The
# choice follows sizes alone, never a timing, so that a run's numbers are the same on any machine.
MAX_NUMBERS = 100_000
MAX_ACTORS = 8  # populations act in one compiled call instead


class TwinActionSampler:
    """An `ActionSampler` that acts by one NumPy twin per actor, on its own simulators' batch.

    The draws of a step depend on the seed's key, the step and the slot alone: each step has a
    counter-based generator of its own.

    Args:
      keys: typed keys [S].
      twins: of the actors, S of them, or S x P where the grid is [S, P, E].
      grid: how the simulators are laid out.
      deterministic: act without exploration.
      common_keys: in a grid [S, P, E], all candidates of a seed draw the same numbers.
    """

    moments: Moments | None = None

    def __init__(
        self,
        keys: Array,
        twins: list[NumpyActor],
        grid: tuple[int, ...],
        *,
        deterministic: bool,
        common_keys: bool,
    ):
        self._twins, self._grid, self._deterministic = twins, grid, deterministic
        words = np.asarray(jax.random.key_data(keys)).reshape(len(keys), -1)
        each = len(twins) // len(keys)
        self._generators = []
        for number in range(len(twins)):
            entropy = [*words[number // each].tolist(), 0 if common_keys else number % each]
            key = np.random.SeedSequence(entropy).generate_state(2, np.uint64)
            bits = np.random.Philox(key=key)
            self._generators.append((np.random.Generator(bits), bits, bits.state))

    def initial_memory(self) -> Memory:
        """The memory of every simulator at the start of an episode; `()` without memory."""
        return self._together([twin.initial_memory(self._grid[-1]) for twin in self._twins])

    def restart(self, memory: Memory, fresh: np.ndarray) -> Memory:
        """The memory, begun anew where an episode begins."""
        if not jax.tree.leaves(memory) or not fresh.any():
            return memory

        def begin(first: np.ndarray, now: ArrayLike) -> np.ndarray:
            where = fresh.reshape(*self._grid, *(1,) * (first.ndim - len(self._grid)))
            return np.where(where, first, np.asarray(now))

        return jax.tree.map(begin, self.initial_memory(), memory)

    def act(
        self,
        time: int,
        observation: Observation,
        memory: Memory,
        fresh: np.ndarray,
        seen: np.ndarray,
    ) -> tuple[np.ndarray, Memory, Extras]:
        """See `ActionSampler`."""
        memory = self.restart(memory, fresh)
        acts = [
            twin.act_batch(
                self._part(observation, number),
                self._part(memory, number),
                None if self._deterministic else self._generator(number, time),
            )
            for number, twin in enumerate(self._twins)
        ]
        action = self._together([np.asarray(action) for action, _ in acts])
        if action.dtype == np.int64:
            action = action.astype(np.int32)  # as in JAX
        return action, self._together([after for _, after in acts]), ()

    def _generator(self, number: int, time: int) -> np.random.Generator:
        """The generator of an actor, at the counter of a step."""
        drawing, bits, start = self._generators[number]
        start["state"]["counter"][3] = time
        bits.state = start
        return drawing

    def _part(self, tree: PyTree, number: int) -> PyTree:
        """What of all simulators is one actor's, leaves [N, ...]."""
        depth = len(self._grid)
        return each(
            lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[depth - 1 :])[number], tree
        )

    def _together(self, parts: list[Any]) -> Any:
        """Leaves [N, ...] of all actors as grid + [...]."""
        return each(
            lambda *leaves: np.stack(leaves).reshape(*self._grid, *leaves[0].shape[1:]), *parts
        )


def each(f: Callable[..., np.ndarray], *trees: PyTree) -> PyTree:
    """`jax.tree.map`, at a fraction of its cost where there is one array or nothing."""
    if isinstance(trees[0], np.ndarray):
        return f(*trees)
    if isinstance(trees[0], tuple) and not trees[0]:
        return ()
    return jax.tree.map(f, *trees)


def action_sampler(
    keys: Array,
    candidates: Actor,
    grid: tuple[int, ...],
    *,
    deterministic: bool = False,
    common_keys: bool = False,
    count_moments: bool = False,
) -> ActionSampler:
    """How actors act for a grid of simulators: by NumPy twins where they are few and small.

    That is for at most 8 actors (the seeds of an on-policy method, or the policies of an
    evaluation) of at most 100,000 numbers each, of a kind that has a twin. Everything else, and
    what counts moments of observations, acts in one compiled call per step.

    Args:
      keys: typed keys [S].
      candidates: leaves [S, ...], or [S, P, ...] where the grid is [S, P, E].
      grid: how the simulators are laid out.
      deterministic: act without exploration.
      common_keys: in a grid [S, P, E], all candidates of a seed draw with the same keys.
      count_moments: whether moments of the observations are gathered.
    """
    actors, leaves = math.prod(grid[:-1]), jax.tree.leaves(candidates)
    numbers = sum(leaf.size for leaf in leaves) // actors
    if actors <= MAX_ACTORS and numbers <= MAX_NUMBERS and not count_moments:
        twins = twins_of(candidates, len(grid) - 1)
        if twins is not None:
            return TwinActionSampler(
                keys, twins, grid, deterministic=deterministic, common_keys=common_keys
            )
    return JaxActionSampler(
        keys,
        candidates,
        grid,
        deterministic=deterministic,
        common_keys=common_keys,
        count_moments=count_moments,
    )


def twins_of(candidates: Actor, lead: int) -> list[NumpyActor] | None:
    """The twins of actors with `lead` leading axes, in their order; None where there are none."""
    leaves, structure = jax.tree.flatten(jax.device_get(candidates))
    flat = [np.reshape(leaf, (-1, *np.shape(leaf)[lead:])) for leaf in leaves]
    twins = []
    for number in range(len(flat[0]) if flat else 0):
        twin = jax.tree.unflatten(structure, [leaf[number] for leaf in flat]).numpy()
        if twin is None:
            return None
        twins.append(twin)
    return twins or None
