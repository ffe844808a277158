"""A policy that acts without JAX."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bodies import TwinBody
from .encoding import Memory, Observation, action_masks, leaves_of, map_arrays
from .heads import Parameters, TwinHead
from .normalizer import TwinNormalizer


@dataclass(frozen=True, eq=False)
class TwinActor:
    """The same policy in NumPy: its distributions and modes are equal up to rounding.

    Draws come from a NumPy generator (`generator(seed)` gives a counter-based one), so they are
    other numbers than JAX's, from the same distributions.

    Attributes:
      body: observations and memories to outputs.
      head: outputs to actions.
      normalizer: what the observations go through first; None for nothing.
      deterministic: whether `act` gives the mode.
    """

    body: TwinBody
    head: TwinHead
    normalizer: TwinNormalizer | None = None
    deterministic: bool = False

    @property
    def has_memory(self) -> bool:
        """Whether it remembers."""
        return self.body.has_memory

    def initial_memory(self, n: int | None = None) -> Memory:
        """The memory at the start of an episode, or memories [n, ...]; `()` without memory."""
        if n is None:
            return map_arrays(lambda leaf: leaf[0], self.body.initial_memory(1))
        return self.body.initial_memory(n)

    def act(
        self, observation: Observation, memory: Memory, generator: np.random.Generator | None
    ) -> tuple[np.ndarray, Memory]:
        """An action and the memory after it, for one observation.

        Args:
          observation: an array, or a nest of dicts and tuples of them.
          memory: from `initial_memory` or the last call.
          generator: the source of the draw; None for the mode.
        """
        batch = map_arrays(lambda leaf: np.asarray(leaf)[None], observation)
        if self.body.has_memory:
            memory = map_arrays(lambda leaf: np.asarray(leaf)[None], memory)
        action, memory = self.act_batch(batch, memory, generator)
        if self.body.has_memory:
            memory = map_arrays(lambda leaf: leaf[0], memory)
        return action[0], memory

    def greedy(self, observation: Observation, memory: Memory = ()) -> tuple[np.ndarray, Memory]:
        """The mode for one observation, and the memory after it."""
        return self.act(observation, memory, None)

    def act_batch(
        self, observation: Observation, memory: Memory, generator: np.random.Generator | None
    ) -> tuple[np.ndarray, Memory]:
        """`act` for observations [N, ...] and memories [N, ...]."""
        output, mask, memory = self._outputs(observation, memory)
        if generator is None or self.deterministic:
            return self.head.mode(output, mask), memory
        return self.head.sample(output, mask, generator), memory

    def parameters(
        self, observation: Observation, memory: Memory = ()
    ) -> tuple[Parameters, Memory]:
        """The parameters of the distributions for a batch, and the memories after it."""
        output, mask, memory = self._outputs(observation, memory)
        return self.head.parameters(output, mask), memory

    def _outputs(
        self, observation: Observation, memory: Memory
    ) -> tuple[np.ndarray, np.ndarray | None, Memory]:
        mask = action_masks(observation) if isinstance(observation, dict) else None
        if self.normalizer is not None:
            observation = self.normalizer(observation)
        output, memory = self.body(observation, memory)
        return output, mask, memory


def generator(seed: int, *counters: int) -> np.random.Generator:
    """A counter-based generator: numbers that depend on the seed and the counters alone.

    Args:
      seed: not negative.
      counters: such as the environment's and the episode's index.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *counters])))


def batch_size(observation: Observation) -> int:
    """N of a batch of observations."""
    return leaves_of(observation)[0].shape[0]
