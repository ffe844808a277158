"""A trained policy that acts: Stable-Baselines3's `predict`, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from upslope.core.annotations import Action, Key, Memory, Observation, PyTree
from upslope.core.checks import UpslopeError, check_path
from upslope.policies.actor import Actor
from upslope.policies.twin.actor import generator
from upslope.storage.policy_artifact import save_policy
from upslope.training.observation_reader import ObservationReader
from upslope.training.run_folder import RunFolder
from upslope.training.saved_policy import load_policy

if TYPE_CHECKING:
    from gymnasium import spaces


class Agent:
    """One policy with its spaces and its observation moments: everything acting needs.

    Attributes:
      policy: the policy, or another actor.
      observation_space: a Gymnasium space.
      action_space: a Gymnasium space; actions come out inside its bounds.
      metadata: where it comes from.
    """

    def __init__(
        self,
        policy: Actor,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        metadata: dict[str, Any] | None = None,
        seed: int = 0,
    ):
        self.policy = jax.tree.map(jnp.asarray, policy)
        self.observation_space, self.action_space = observation_space, action_space
        self.metadata = metadata or {}
        self._has_memory = bool(jax.tree.leaves(policy.initial_memory()))
        self._twin = policy.numpy()  # acts without JAX: one observation costs microseconds
        self._generator = generator(seed)
        self._key = jax.random.key(seed)
        self._reader = ObservationReader(observation_space)
        self._shift = getattr(action_space, "start", None)
        low, high = getattr(action_space, "low", None), getattr(action_space, "high", None)
        self._bounds = None if low is None or high is None else (low, high)
        self._choose = jax.jit(choose, static_argnames="deterministic")

    def predict(
        self,
        observation: Observation,
        state: Memory | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[Action, Memory | None]:
        """Actions for one observation or a batch of them, as in Stable-Baselines3.

        Args:
          observation: one of the observation space, or a batch [B, ...] of them.
          state: what the last call returned, for policies with memory; None at the start.
          episode_start: booleans [B]: which episodes begin here, so that memory starts anew.
          deterministic: the mode of the policy instead of a draw.

        Returns:
          The action(s), inside the bounds of the action space, and the next state (None for a
          policy without memory).

        Raises:
          UpslopeError: for an observation, a state or an episode_start of another shape.
        """
        batch, n, single = self._reader(observation)
        memory: Memory = ()
        if self._has_memory or state is not None or episode_start is not None:
            memory = self._memory(state, episode_start, n)
        if self._twin is not None:
            source = None if deterministic else self._generator
            action, memory = self._twin.act_batch(batch, memory, source)
        else:
            self._key, key = jax.random.split(self._key)
            action, memory = self._choose(
                self.policy, batch, memory, jax.random.split(key, n), bool(deterministic)
            )
            action, memory = np.asarray(action), jax.tree.map(np.asarray, memory)
        action = self._to_space(action)
        return (action[0] if single else action), (memory if self._has_memory else None)

    def __repr__(self) -> str:
        where = (self.metadata.get("environment") or {}).get("name")
        seed = self.metadata.get("seed")
        parts = [type(self.policy).__name__]
        parts += [] if where is None else [f"environment={where}"]
        parts += [] if seed is None else [f"seed={seed}"]
        spaces = f"{self.observation_space} -> {self.action_space}"
        return f"Agent({', '.join(parts)}, {' '.join(spaces.split())})"

    def _memory(self, state: Memory | None, episode_start: ArrayLike | None, n: int) -> Memory:
        """The memories [n, ...], those of the policy's start where episodes begin."""
        if self._twin is not None:
            fresh = self._twin.initial_memory(n)
        else:
            fresh = jax.tree.map(
                lambda leaf: np.broadcast_to(np.asarray(leaf), (n, *np.shape(leaf))),
                self.policy.initial_memory(),
            )
        if state is not None:
            check_state(state, fresh, n)
        if episode_start is None:
            return fresh if state is None else jax.tree.map(np.asarray, state)
        starts = np.asarray(episode_start, bool)
        if starts.size not in (1, n):
            raise UpslopeError(
                f"predict got episode_start of {starts.size} episodes and observations of "
                f"{n}: it says of each whether an episode begins with it."
            )
        if state is None:
            return fresh
        begins = np.broadcast_to(starts.reshape(-1), n)

        def restart(new: np.ndarray, old: ArrayLike) -> np.ndarray:
            return np.where(begins.reshape(n, *(1,) * (new.ndim - 1)), new, np.asarray(old))

        return jax.tree.map(restart, fresh, state)

    def _to_space(self, action: np.ndarray) -> np.ndarray:
        if self._bounds is not None:
            low, high = self._bounds
            clipped = np.minimum(np.maximum(action, low), high)
            return clipped.astype(self.action_space.dtype, copy=False)
        action = action.astype(np.int64, copy=False)
        return action if self._shift is None else action + self._shift

    def save(self, path: str | Path) -> Path:
        """Writes the agent as a folder that `upslope.load` reads."""
        return save_policy(
            check_path("Agent.save", "path", path),
            self.policy,
            observation_space=self.observation_space,
            action_space=self.action_space,
            environment=self.metadata.get("environment", {}),
            extra=self.metadata.get("extra", {}),
        )


def choose(
    policy: Actor, observation: Observation, memory: Memory, keys: Key, deterministic: bool
) -> tuple[Action, Memory]:
    """Actions and memories of a batch by an actor in JAX."""
    actor = policy.greedy() if deterministic else policy

    def one(observation: Observation, memory: Memory, key: Key) -> tuple[Action, Memory]:
        act = actor.act(actor.noise(key), observation, memory)
        return act.action, act.memory

    return jax.vmap(one)(observation, memory, keys)


def check_state(state: Memory, fresh: Memory, batch: int) -> None:
    """Raises unless a state is like that of a policy which begins in each of the observations."""

    def shapes(tree: PyTree) -> tuple[jax.tree_util.PyTreeDef, list[tuple[int, ...]]]:
        return jax.tree.structure(tree), [np.shape(leaf) for leaf in jax.tree.leaves(tree)]

    try:
        fits = shapes(state) == shapes(fresh) and all(
            np.asarray(leaf).dtype.kind not in "OSU" for leaf in jax.tree.leaves(state)
        )
    except (TypeError, ValueError):  # what is no array, or has no fixed shape
        fits = False
    if not fits:
        wanted = [leaf.shape for leaf in jax.tree.leaves(fresh)]
        raise UpslopeError(
            f"predict got a state that does not fit {batch} observations: this policy's state has "
            f"{f'arrays of shape {wanted}' if wanted else 'no arrays'}. Give the state that the "
            "last predict returned for the same episodes, or None where they begin."
        )


def load(path: str | Path, seed: int | None = None) -> Agent:
    """The agent saved in a run folder or a policy folder. Loading never executes what it reads.

    Args:
      path: a run folder, or its `policy/`, or what `Agent.save` wrote.
      seed: which of the run's seeds; None for the one with the best final evaluation.

    Raises:
      StorageError: when there is no policy, or it is damaged.
    """
    folder = check_path("load", "path", path)
    if (folder / "status.json").is_file():  # a run
        folder = RunFolder.open(folder, lock=False).policy_folder()
    elif (folder / "policy").is_dir():
        folder = folder / "policy"
    loaded = load_policy(folder)
    if seed is None:
        scores = loaded.metadata.get("extra", {}).get("final_returns")
        seed = int(np.argmax(scores)) if scores else 0
    return Agent(
        loaded.of_seed(seed),
        loaded.observation_space,
        loaded.action_space,
        {**loaded.metadata, "seed": seed},
    )
