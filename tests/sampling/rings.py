"""The two replay buffers behind one face, so that one test holds both to the same semantics."""

from __future__ import annotations

from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.records import Replayed
from upslope.policies.twin.actor import generator
from upslope.sampling import replay
from upslope.sampling.simulators.numpy_replay import NumpyReplay


@lru_cache
def compiled(spec):
    """Adding, drawing and setting priorities, one program for each size."""
    add = jax.jit(partial(replay.add_steps, spec))
    draw = jax.jit(partial(replay.draw_batches, spec=spec))
    return add, draw, jax.jit(partial(replay.set_priorities, spec))


@jax.jit
def priorities_of(tree, leaves):
    return tree.priority(leaves)


class JaxRing:
    """The buffer of JAX environments, functional inside."""

    def __init__(self, spec, steps):
        self.spec, self._buffer = spec, replay.empty_buffer(spec, steps)
        self._add, self._draw, self._set = compiled(spec)

    def add(self, steps):
        self._buffer = self._add(self._buffer, steps)

    def draw(self, seed, steps):
        drawn = self._draw(jax.random.key(seed), buffer=self._buffer, fresh=steps)
        return jax.tree.map(np.asarray, drawn)

    def set_priorities(self, drawn, priorities):
        self._buffer = self._set(self._buffer, drawn, jnp.asarray(priorities))

    def priority(self, leaves):
        return np.asarray(priorities_of(self._buffer.tree, jnp.asarray(leaves)))

    @property
    def largest(self):
        return float(self._buffer.largest)

    @property
    def observation(self):
        return self._buffer.rows.observation


class NumpyRing:
    """The buffer of simulators, of the second of two seeds; the first sees other steps."""

    def __init__(self, spec, steps):
        self.ring = NumpyReplay(spec, 2)

    @staticmethod
    def _two(steps):
        def beside(leaf):
            leaf = np.asarray(leaf)
            other = leaf if leaf.dtype == bool else leaf + leaf.dtype.type(1)
            return np.stack([other, leaf])

        return jax.tree.map(beside, steps)

    def add(self, steps):
        self.ring.add(self._two(steps))

    def draw(self, seed, steps):
        generators = [generator(seed, index) for index in range(2)]
        drawn = self.ring.draw(generators, self._two(steps))
        return jax.tree.map(lambda leaf: leaf[1], drawn)

    def set_priorities(self, drawn: Replayed, priorities):
        both = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), drawn)
        self.ring.set_priorities(both, np.stack([priorities] * 2), np.array([False, True]))

    def priority(self, leaves):
        leaves = np.asarray(leaves)
        return self.ring.tree.priority(np.ones(leaves.shape, int), leaves)

    @property
    def largest(self):
        return float(self.ring.largest[1])

    @property
    def observation(self):
        return jax.tree.map(lambda leaf: leaf[1], self.ring.rows.observation)


RINGS = [JaxRing, NumpyRing]
