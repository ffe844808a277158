"""Small Gymnasium simulators whose every number is known, some of which fail on purpose."""

from __future__ import annotations

import functools
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Drift(gymnasium.Env):
    """A point that drifts by its action and by noise; episodes differ in length.

    The observation is (position, noise of this step, time); the reward is the position. With
    `end="both"` the last step says terminated and truncated at once.
    """

    def __init__(self, end: str = "terminated", shortest: int = 3, longest: int = 9):
        self.observation_space = spaces.Box(-np.inf, np.inf, (3,), np.float32)
        self.action_space = spaces.Box(-0.5, 0.25, (2,), np.float32)
        self.end, self.shortest, self.longest = end, shortest, longest

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(self.shortest, self.longest + 1))
        self.position, self.time = float(self.np_random.normal()), 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        self.time += 1
        self.position += float(action[0] + 2 * action[1])
        over = self.time >= self.length
        flags = over and self.end in ("terminated", "both"), over and self.end != "terminated"
        return self._observe(), self.position, *flags, {}

    def _observe(self) -> np.ndarray:
        return np.array([self.position, self.np_random.normal(), self.time], np.float32)


class Failing(Drift):
    """A `Drift` that fails at a step, as often as `times` says, counted in a folder.

    Args:
      how: "raise", "kill", "hang" or "nan".
      folder: where failures are counted, over all processes.
      at: the step of an episode at which it fails.
    """

    def __init__(self, how: str, folder: str, times: int = 1, at: int = 2, **settings: Any):
        super().__init__(**settings)
        self.how, self.folder, self.times, self.at = how, Path(folder), times, at

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if self.time + 1 == self.at and self._claims():
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "hang":
                time.sleep(3600)
            if self.how == "raise":
                raise RuntimeError("the engine is on fire")
            observation, _, *rest = super().step(action)
            return np.full_like(observation, np.nan), 0.0, *rest
        return super().step(action)

    def _claims(self) -> bool:
        for number in range(self.times):
            try:
                os.close(os.open(self.folder / str(number), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            return True
        return False


class Slow(Drift):
    """A `Drift` of which a step takes a second, once, in the first process to get there."""

    def __init__(self, folder: str):
        super().__init__()
        self.failing = Failing("none", folder, at=3)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if self.time + 1 == 3 and self.failing._claims():
            time.sleep(1.5)
        return super().step(action)


class Careless(Drift):
    """A `Drift` with noise that its seed does not decide, which then kills its process once."""

    def __init__(self, folder: str):
        super().__init__()
        self.failing = Failing("kill", folder, at=3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset()
        self.length = 9
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if self.time + 1 == 3 and self.failing._claims():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().step(action)


class Spaces(gymnasium.Env):
    """Samples its observations from a space and remembers the last action it got."""

    def __init__(self, observation: str, action: str):
        self.observation_space, self.action_space = SPACES[observation], SPACES[action]
        self.got: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        self.got.append(action)
        return self.observation_space.sample(), float(np.sum(action)), False, False, {}


class Masked(gymnasium.Env):
    """Shows a target and which of four actions are allowed; one that is not allowed is an error.

    The reward is 1 for the target, which is always allowed. Episodes have five steps.

    Args:
      tell: where the mask is told: "field" of a Dict observation, or "info".
    """

    def __init__(self, tell: str = "field"):
        self.tell = tell
        parts: dict[str, spaces.Space] = {
            "target": spaces.Discrete(4, start=1),
            "place": spaces.Tuple((spaces.Box(-1.0, 1.0, (2,), np.float64),)),
        }
        if tell == "field":
            parts["action_mask"] = spaces.Box(0, 1, (4,), np.int8)
        self.observation_space = spaces.Dict(parts)
        self.action_space = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.time = 0
        return self._observe()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if not self.mask[action]:
            raise ValueError(f"action {action} is not allowed by {self.mask}")
        reward = float(action == self.target)
        self.time += 1
        observation, info = self._observe()
        return observation, reward, self.time == 5, False, info

    def _observe(self) -> tuple[Any, dict]:
        self.target = int(self.np_random.integers(4))
        self.mask = self.np_random.integers(0, 2, 4).astype(np.int8)
        self.mask[self.target] = 1
        place = (self.np_random.uniform(-1.0, 1.0, 2),)
        seen = {"target": np.int64(self.target + 1), "place": place}
        if self.tell == "field":
            return {**seen, "action_mask": self.mask}, {}
        return seen, {"action_mask": self.mask}


SPACES: dict[str, spaces.Space] = {
    "box": spaces.Box(-1.0, 1.0, (2, 3), np.float64),
    "image": spaces.Box(0, 255, (6, 5, 3), np.uint8),
    "discrete": spaces.Discrete(3, start=5),
    "multi-discrete": spaces.MultiDiscrete([3, 4], start=[1, -2]),
    "multi-binary": spaces.MultiBinary(3),
    "dict": spaces.Dict(
        {
            "a": spaces.Box(-1.0, 1.0, (2, 2), np.float32),
            "b": spaces.Tuple((spaces.Discrete(3, start=5), spaces.MultiBinary(2))),
        }
    ),
    "text": spaces.Dict({"a": spaces.Discrete(2), "t": spaces.Text(4)}),
    "graph": spaces.Dict({"a": spaces.Graph(spaces.Discrete(2), None)}),
}


class Breach(gymnasium.Env):
    """Returns what it is told to, right or wrong."""

    def __init__(self, reset: Any = None, step: Any = None):
        self.observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        fine = np.zeros(2, np.float32)
        self.reset_result = (fine, {}) if reset is None else reset
        self.step_result = (fine, 0.0, False, False, {}) if step is None else step

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.reset_result

    def step(self, action: Any) -> Any:
        return self.step_result


class Odd(Drift):
    """A `Drift` that does one thing which no environment should.

    Args:
      what: "numpy", "random" (draws from a global generator), "outside" (observes beyond its
        space), "exit-reset", "exit-step", "close" (leaves or raises there).
    """

    def __init__(self, what: str):
        super().__init__()
        self.what = what
        if what == "outside":
            self.observation_space = spaces.Box(-0.01, 0.01, (3,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        if self.what == "exit-reset":
            sys.exit("the licence server is away")
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        if self.what == "exit-step":
            sys.exit(3)
        if self.what == "numpy":
            np.random.normal()
        if self.what == "random":
            random.random()
        return super().step(action)

    def close(self) -> None:
        if self.what == "close":
            raise RuntimeError("the window is gone")


def world(kind: type, **settings: Any) -> Any:
    """A world of these simulators that worker processes can build."""
    # Here, because worker processes import this module and must not import JAX.
    from upslope.environments.adaptors.gymnasium import GymnasiumSpec

    return GymnasiumSpec(kind.__name__, {}, functools.partial(kind, **settings))


class Telling(gymnasium.Env):
    """Its `info` holds terms of the reward, nested ones, a cost, a switch at the end, and texts.

    Episode k of a simulator has 2 + k % 3 steps by its seed; the term is the step's number.
    """

    def __init__(self) -> None:
        self.observation_space = spaces.Box(-1, 1, (2,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.length = int(self.np_random.integers(2, 5))
        self.time = 0
        return np.zeros(2, np.float32), {"reset": 1.0}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        self.time += 1
        over = self.time == self.length
        info = {
            "term": self.time,
            "reward": {"forward": np.float32(0.5), "deep": {"er": np.array([2.0])}},
            "cost": float(self.length),
            "text": "ignored",
            "array": np.zeros(3),
            "episode": {"r": 1.0},
        }
        if over:
            info["success"] = self.length == 4
        return np.full(2, self.time / 5, np.float32), 1.0, over, False, info
