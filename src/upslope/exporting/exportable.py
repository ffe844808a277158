"""What formats write down: one agent, as a pure function of what the environment shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core.annotations import Action, Memory, Observation, PyTree
from upslope.core.checks import UpslopeError
from upslope.training.agent import Agent

if TYPE_CHECKING:
    from gymnasium import spaces

Act = Callable[[Observation, Memory], tuple[Action, Memory]]


@dataclasses.dataclass(frozen=True, eq=False)
class Exportable:
    """An agent that is about to be exported.

    Attributes:
      agent: the policy of one seed with its spaces.
      title: a line about it, such as "ppo on CartPole-v1, seed 3".
      sampled: whether the exported function draws its actions where nothing else is said.
    """

    agent: Agent
    title: str
    sampled: bool = False

    @property
    def has_memory(self) -> bool:
        """Whether the policy remembers."""
        return bool(self.start())

    def observation_shapes(self) -> PyTree:
        """Shape and type of one observation, a tree like the observation space."""
        return shapes_of(self.agent.observation_space)

    def memory_shapes(self) -> PyTree:
        """Shape and type of the memory of one episode; `()` without memory."""
        return jax.eval_shape(self.agent.policy.initial_memory)

    def start(self) -> Start:
        """The memory at the start of an episode."""
        start = self.agent.policy.initial_memory()
        return Start(jax.tree.map(lambda leaf: np.asarray(leaf)[None], start))

    def act(self) -> Act:
        """The greedy policy in JAX: one observation, as the environment shows it, and a memory to
        the action, as the environment wants it, and the next memory.

        The parameters are constants of the function.

        Raises:
          UpslopeError: the actor draws even where it is asked for its greedy action.
        """
        greedy = self.agent.policy.greedy()
        noise = jax.eval_shape(greedy.noise, jax.random.key(0))
        if jax.tree.leaves(noise):
            raise UpslopeError(
                f"{type(self.agent.policy).__name__} draws random numbers even where it acts "
                "greedily: it is no function of the observation, which alone can be exported. "
                "Define greedy() on it such that noise() is ()."
            )
        space, to_space = self.agent.observation_space, into(self.agent.action_space)

        def act(observation: Observation, memory: Memory) -> tuple[Action, Memory]:
            acted = greedy.act(noise, counted_from_zero(space, observation), memory)
            return to_space(acted.action), acted.memory

        return act


@dataclasses.dataclass(frozen=True)
class Start:
    """How episodes begin; false for a policy without memory.

    Attributes:
      one: the memory of one episode, NumPy arrays [1, ...]; `()` without memory.
    """

    one: Memory

    def __bool__(self) -> bool:
        return bool(jax.tree.leaves(self.one))

    def memory(self, observation: Observation) -> Memory:
        """The memories [N, ...] for a batch of N observations that begin episodes."""
        n = len(jax.tree.leaves(observation)[0])
        return jax.tree.map(lambda leaf: np.repeat(leaf, n, axis=0), self.one)


def parts_of(space: spaces.Space) -> dict[str, spaces.Space] | list[spaces.Space] | None:
    """The spaces that a Dict or a Tuple space is made of; None for one of arrays."""
    inner = getattr(space, "spaces", None)
    if inner is None:
        return None
    return dict(inner) if hasattr(inner, "keys") else list(inner)


def shapes_of(space: spaces.Space) -> PyTree:
    """Shape and type of one observation of a space: float32 for floats, 32 bits for wider ints."""
    parts = parts_of(space)
    if isinstance(parts, dict):
        return {name: shapes_of(part) for name, part in parts.items()}
    if parts is not None:
        return tuple(shapes_of(part) for part in parts)
    dtype = np.dtype(space.dtype)
    if np.issubdtype(dtype, np.floating):
        dtype = np.dtype(np.float32)
    elif dtype.itemsize > 4:
        dtype = np.dtype(np.int32)
    return jax.ShapeDtypeStruct(tuple(space.shape or ()), dtype)


def counted_from_zero(space: spaces.Space, observation: Observation) -> Observation:
    """An observation as policies read it: what is counted from another number is from 0."""
    parts = parts_of(space)
    if isinstance(parts, dict):
        return {name: counted_from_zero(part, observation[name]) for name, part in parts.items()}
    if parts is not None:
        return tuple(counted_from_zero(p, o) for p, o in zip(parts, observation, strict=True))
    start = start_of(space)
    return observation if start is None else observation - jnp.asarray(start, observation.dtype)


def start_of(space: spaces.Space) -> np.ndarray | None:
    """The number that a space of categories counts from; None for 0, and for other spaces."""
    start = getattr(space, "start", None)
    return None if start is None or not np.any(start) else np.asarray(start)


def into(space: spaces.Space) -> Callable[[Any], jax.Array]:
    """What brings an action into its space: clipped to the bounds, counted from the start."""
    low, high = getattr(space, "low", None), getattr(space, "high", None)
    if low is not None and high is not None:
        dtype = jax.dtypes.canonicalize_dtype(space.dtype)
        return lambda action: jnp.clip(action, jnp.asarray(low), jnp.asarray(high)).astype(dtype)
    start = start_of(space)
    offset = 0 if start is None else start
    return lambda action: action.astype(jnp.int32) + jnp.asarray(offset, jnp.int32)
