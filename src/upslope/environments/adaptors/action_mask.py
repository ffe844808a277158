"""Which actions are allowed, as a field of the observation.

Simulator processes load this module: it imports nothing of the library.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

ACTION_MASK = "action_mask"


class ActionMaskObservation(gymnasium.Wrapper):
    """Moves `info["action_mask"]` into the observation, where policies look for it.

    A Dict observation gets the field `action_mask`; any other becomes
    `{"observation": ..., "action_mask": ...}`. The mask is an array of booleans, one per action.

    Raises:
      ValueError: the actions are not discrete, or `info` has no mask of one entry per action.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        if not isinstance(env.action_space, spaces.Discrete):
            raise ValueError(f"action_mask=True needs discrete actions, not {env.action_space}")
        self._n = int(env.action_space.n)
        boolean: Any = np.bool_
        mask = spaces.Box(0, 1, (self._n,), boolean)
        seen = env.observation_space
        self._nested = isinstance(seen, spaces.Dict)
        parts = dict(seen.spaces) if isinstance(seen, spaces.Dict) else {"observation": seen}
        self.observation_space = spaces.Dict({**parts, ACTION_MASK: mask})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """The first observation of an episode, with its mask."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._with_mask(observation, info), info

    def step(self, action: int | np.integer) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step; the observation after it has the mask of the next action."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._with_mask(observation, info), reward, terminated, truncated, info

    def _with_mask(self, observation: Any, info: dict[str, Any]) -> dict[str, Any]:
        mask = np.asarray(info.get(ACTION_MASK, ()), bool)
        if mask.shape != (self._n,):
            raise ValueError(
                f"action_mask=True needs info['action_mask'] with {self._n} entries, one per "
                f"action; info has the keys {sorted(info)}"
            )
        parts = dict(observation) if self._nested else {"observation": observation}
        return {**parts, ACTION_MASK: mask}
