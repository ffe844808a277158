"""A trained policy that acts: Stable-Baselines3's `predict`, on any machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from upslope.core import tree
from upslope.core.checks import UpslopeError, check_path
from upslope.policies.policy import Policy, respond
from upslope.storage.policy_artifact import load_policy, save_policy
from upslope.training.run_folder import RunFolder

if TYPE_CHECKING:
    from gymnasium import spaces


class Agent:
    """One policy with its spaces and its observation moments: everything acting needs.

    Attributes:
      policy: the policy module.
      observation_space: a Gymnasium space.
      action_space: a Gymnasium space; actions come out inside its bounds.
      metadata: where it comes from.
    """

    def __init__(
        self,
        policy: Policy,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        metadata: dict[str, Any] | None = None,
        seed: int = 0,
    ):
        self.policy = jax.tree.map(jnp.asarray, policy)
        self.observation_space, self.action_space = observation_space, action_space
        self.metadata = metadata or {}
        self._key = jax.random.key(seed)

        def choose(
            policy: Policy, observation: Any, memory: Any, start: Any, key: Any, deterministic: bool
        ) -> Any:
            def one(observation: Any, memory: Any, start: Any, key: Any) -> Any:
                fresh = jax.tree.map(jnp.asarray, policy.initial_memory())
                memory = tree.where(start, fresh, memory)
                distribution, memory = respond(policy, observation, memory)
                action = distribution.mode() if deterministic else distribution.sample(key)
                return action, memory

            keys = jax.random.split(key, start.shape[0])
            return jax.vmap(one)(observation, memory, start, keys)

        self._choose = jax.jit(choose, static_argnames="deterministic")

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, Any]:
        """Actions for one observation or a batch of them, as in Stable-Baselines3.

        Args:
          observation: one of the observation space, or a batch [B, ...] of them.
          state: what the last call returned, for policies with memory; None at the start.
          episode_start: booleans [B]: which episodes begin here, so that memory starts anew.
          deterministic: the mode of the policy instead of a draw.

        Returns:
          The action(s), inside the bounds of the action space, and the next state (None for a
          policy without memory).
        """
        observation = np.asarray(observation)
        shape = self.observation_space.shape or ()
        if observation.shape == shape:
            single = True
            observation = observation[None]
        elif observation.shape[1:] == shape:
            single = False
        else:
            raise UpslopeError(
                f"predict got an observation of shape {observation.shape}; the policy reads "
                f"{shape}, or a batch [B, *{shape}] of them."
            )
        batch = observation.shape[0]
        if np.issubdtype(observation.dtype, np.floating):
            observation = observation.astype(np.float32)
        else:  # policies count the states of a discrete space from 0
            observation = observation - getattr(self.observation_space, "start", 0)
        start = np.zeros(batch, bool)
        fresh = jax.tree.map(
            lambda leaf: jnp.broadcast_to(jnp.asarray(leaf), (batch, *jnp.shape(leaf))),
            self.policy.initial_memory(),
        )
        if state is None:
            start[:] = True
            state = fresh
        else:
            check_state(state, fresh, batch)
        if episode_start is not None:
            starts = np.asarray(episode_start, bool)
            if starts.size not in (1, batch):
                raise UpslopeError(
                    f"predict got episode_start of {starts.size} episodes and observations of "
                    f"{batch}: it says of each whether an episode begins with it."
                )
            start |= starts.reshape(-1)
        self._key, key = jax.random.split(self._key)
        action, memory = self._choose(
            self.policy, observation, state, start, key, deterministic=bool(deterministic)
        )
        action = self._to_space(np.asarray(action))
        return (action[0] if single else action), (memory if self.policy.has_memory else None)

    def _to_space(self, action: np.ndarray) -> np.ndarray:
        space = self.action_space
        low, high = getattr(space, "low", None), getattr(space, "high", None)
        if low is not None and high is not None:
            return np.clip(action, low, high).astype(space.dtype)
        return action.astype(np.int64) + getattr(space, "start", 0)

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


def check_state(state: Any, fresh: Any, batch: int) -> None:
    """Raises unless a state is like that of a policy which begins in each of the observations."""

    def shapes(tree: Any) -> Any:
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
