"""Simulators that draw some of their episodes while a sampler plays them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np

from upslope.sampling.simulators.episode_seeds import EpisodeSeeds

Keep = Callable[[np.ndarray], Any]


@dataclass
class Take:
    """What is kept of one episode, moment by moment; entry 0 is before the first step.

    Attributes:
      frames: pictures as they were kept, every so many steps; empty where nothing is drawn.
      times: the step of each of them.
      observations: as the simulator gave them, of the same moments.
      returns: the undiscounted return up to each of them.
    """

    frames: list[Any] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    observations: list[Any] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)


@dataclass
class FilmedSimulators:
    """A recipe of simulators that keep pictures of the episodes that begin from certain seeds.

    Everything else about an episode is as without: the sampler steps these in the place of the
    environment's own.

    Attributes:
      environment: the recipe; anything with `build() -> gymnasium.Env` and `time_limit`.
      takes: the seed of an episode to what is kept of it.
      keep: what a picture [H, W, 3] is kept as; None: nothing is drawn.
      every: steps from one kept moment to the next.
      steps: as far as an episode is kept.
    """

    environment: Any
    takes: dict[int, Take]
    keep: Keep | None
    every: int
    steps: int

    @property
    def id(self) -> str:
        """The environment's."""
        return str(getattr(self.environment, "id", type(self.environment).__name__))

    @property
    def time_limit(self) -> int | None:
        """The environment's."""
        return self.environment.time_limit

    def build(self) -> gymnasium.Env:
        """A simulator that keeps what it has to."""
        return FilmedSimulator(self.environment.build(), self)


class FilmedSimulator(gymnasium.Wrapper):
    """One of `FilmedSimulators`."""

    def __init__(self, env: gymnasium.Env, plan: FilmedSimulators):
        super().__init__(env)
        self._plan = plan
        self._take: Take | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """See `gymnasium.Env`."""
        result = self.env.reset(seed=seed, options=options)
        self._take = None if seed is None else self._plan.takes.get(seed)
        self._time, self._return = 0, 0.0
        if self._take is not None:
            self._keep(result[0])
        return result

    def step(self, action: object) -> Any:
        """See `gymnasium.Env`."""
        result = self.env.step(action)
        if self._take is not None:
            self._time += 1
            self._return += float(result[1])
            due = self._time % self._plan.every == 0 or result[2] or result[3]
            if due and self._time <= self._plan.steps:
                self._keep(result[0])
        return result

    def _keep(self, observation: object) -> None:
        take, plan = self._take, self._plan
        assert take is not None
        take.times.append(self._time)
        take.returns.append(self._return)
        take.observations.append(observation)
        if plan.keep is not None:
            take.frames.append(plan.keep(picture_of(self.env)))


def picture_of(env: gymnasium.Env) -> np.ndarray:
    """What a simulator shows, [H, W, 3] in bytes.

    Raises:
      ValueError: what it renders is no picture.
    """
    shown: Any = env.render()
    if isinstance(shown, list):  # of the steps since the last call, the newest last
        shown = shown[-1] if shown else None
    if not isinstance(shown, np.ndarray):
        raise ValueError(f"render() gave {type(shown).__name__}, not a picture [H, W, 3]")
    return as_bytes(shown)


def as_bytes(picture: np.ndarray) -> np.ndarray:
    """A picture in colours, with transparency or in grey, as [H, W, 3] in bytes.

    Floats are shares of the full brightness, unless one of them is above 1.

    Raises:
      ValueError: another shape.
    """
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4) or not picture.size:
        raise ValueError(f"render() gave an array {picture.shape}, not a picture [H, W, 3]")
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    if picture.dtype.kind == "b" or (picture.dtype.kind == "f" and picture.max() <= 1.0):
        picture = 255.0 * picture
    return np.ascontiguousarray(np.clip(picture[..., :3], 0, 255), np.uint8)


def episode_seeds(seed: int, iteration: int, slots: tuple[int, int]) -> np.ndarray:
    """From which seeds a sampler's first episodes begin after `start_fresh_episodes`, [S, E].

    Args:
      seed: the run's.
      iteration: what `start_fresh_episodes` is given.
      slots: S, E.
    """
    seeds = EpisodeSeeds(seed, "evaluation", slots)
    seeds.restart(iteration)
    return seeds.next(np.arange(slots[0] * slots[1])).reshape(slots)
