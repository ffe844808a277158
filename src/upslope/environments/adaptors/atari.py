"""Atari 2600 games as policies see them: frames skipped, pooled, grey, small and stacked.

Relative imports: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.checks import UpslopeError, check_number, check_switch

if TYPE_CHECKING:
    from gymnasium import Env

# What marks the id of a game, now and in the emulator's versions 0 to 4.
NAMESPACE, EARLIER = "ALE/", "NoFrameskip-v"

# The switch of all of it, beside the fields of AtariFrames.
PREPROCESSING = "preprocessing"

# What the emulator's own interface would do once more, or instead.
REPLACED = {
    "frameskip": "frame_skip is the number of frames of a step, and the emulator's own must be 1",
    "obs_type": "policies see the screen (grayscale says whether in grey)",
    "sound_obs": "policies see the screen alone",
}


@dataclass(frozen=True)
class AtariFrames:
    """What a policy sees of an Atari game, and how long one of its steps is.

    Gymnasium's `AtariPreprocessing` on an emulator that skips no frame itself, and a stack of the
    last screens. The reward of a step is the sum of the game's own points in its frames, unclipped.

    Attributes:
      noop_max: an episode begins after 1 to this many frames without action; 0 for none.
      frame_skip: frames of the emulator in one step, which repeats its action. With 2 or more the
        policy sees the brighter of the last two, pixel by pixel, because games draw some things
        in every other frame; with 1 the frame as it is.
      screen_size: pixels of a side, to which the screen is reduced by averaging.
      grayscale: screens in grey, uint8 [frame_stack, screen_size, screen_size] (one screen
        [screen_size, screen_size, 1]); else in colour, [screen_size, screen_size, 3 frame_stack].
      frame_stack: how many screens an observation has, the newest last; the first observation
        repeats the first screen.
      terminal_on_life_loss: an episode of training ends with a life, and the game begins anew. A
        held-out episode is a whole game in any case.

    Raises:
      UpslopeError: a number out of its range.

    References:
      Mnih et al. (2015), Human-level control through deep reinforcement learning; Machado et al.
      (2018), Revisiting the Arcade Learning Environment, for lives and sticky actions.
    """

    noop_max: int = 30
    frame_skip: int = 4
    screen_size: int = 84
    grayscale: bool = True
    frame_stack: int = 4
    terminal_on_life_loss: bool = False

    def __post_init__(self) -> None:
        for name, least in (("noop_max", 0), ("frame_skip", 1), ("screen_size", 1)):
            check_number("Atari", name, getattr(self, name), at_least=least, integer=True)
        check_number("Atari", "frame_stack", self.frame_stack, at_least=1, integer=True)
        for name in ("grayscale", "terminal_on_life_loss"):
            check_switch("Atari", name, getattr(self, name))

    def wrap(self, env: Env) -> Env:
        """The game with these steps and observations; `env` must skip no frames itself."""
        from gymnasium import spaces
        from gymnasium.wrappers import (
            AtariPreprocessing,
            FrameStackObservation,
            TransformObservation,
        )

        seen: Any = AtariPreprocessing(
            env,
            noop_max=self.noop_max,
            frame_skip=self.frame_skip,
            screen_size=self.screen_size,
            terminal_on_life_loss=self.terminal_on_life_loss,
            grayscale_obs=self.grayscale,
            grayscale_newaxis=self.frame_stack == 1,
        )
        if self.frame_stack == 1:
            return seen
        seen = FrameStackObservation(seen, self.frame_stack)
        if self.grayscale:
            return seen
        side = self.screen_size
        colours = spaces.Box(0, 255, (side, side, 3 * self.frame_stack), np.uint8)
        return TransformObservation(seen, colours_last, colours)


def colours_last(screens: np.ndarray) -> np.ndarray:
    """Screens [K, H, W, 3] as one image [H, W, 3 K]."""
    return np.moveaxis(screens, 0, 2).reshape(*screens.shape[1:3], -1)


def hush_emulator() -> None:
    """Leaves out the emulator's lines about its version.

    An environment turns its messages off as soon as it is built, and so too late for these.
    """
    with contextlib.suppress(ImportError):
        ale_py = importlib.import_module("ale_py")
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)


def is_atari(id: str) -> bool:
    """Whether an id of Gymnasium's is an Atari game that shows its screen."""
    import gymnasium

    spec = gymnasium.registry.get(id)
    if spec is not None and spec.kwargs.get("obs_type") == "ram":
        return False
    marked = id.startswith(NAMESPACE) or EARLIER in id
    return marked or (spec is not None and str(spec.entry_point).startswith("ale_py."))


def names_of_settings() -> list[str]:
    """The settings of an Atari game that are not the emulator's."""
    return [PREPROCESSING, *(field.name for field in dataclasses.fields(AtariFrames))]


def settings_of_frames(frames: AtariFrames | None) -> dict[str, Any]:
    """The settings that `taken` reads as these frames."""
    if frames is None:
        return {PREPROCESSING: False}
    return {PREPROCESSING: True, **dataclasses.asdict(frames)}


def completed(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an environment, with the preprocessing's where it is an Atari game.

    Args:
      name: as `upslope.make` knows it.
      settings: the user's, which win.
    """
    from .gymnasium import GIVEN

    prefix, _, id = name.rpartition(":")
    if prefix == GIVEN or not is_atari(id):
        return dict(settings)
    usual = AtariFrames() if settings.get(PREPROCESSING, True) else None
    return {**settings_of_frames(usual), **settings}


def as_stored(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration that was read from a run folder, with what it does not say of Atari games.

    Runs from before the preprocessing saw the emulator's own frames, and say nothing of it; later
    ones say all of its settings.
    """
    found = dict(configuration)
    for place in ("environment", "evaluation_environment"):
        name, settings = found.get(place), found.get(f"{place}_settings") or {}
        if not isinstance(name, str) or not isinstance(settings, Mapping):
            continue
        if PREPROCESSING not in settings and PREPROCESSING in completed(name, {}):
            found[f"{place}_settings"] = {PREPROCESSING: False, **settings}
    return found


def taken(id: str, settings: Mapping[str, Any]) -> tuple[AtariFrames | None, dict[str, Any]]:
    """The frames that settings ask for, None for raw ones, and the emulator's keyword arguments.

    Raises:
      UpslopeError: a value that cannot be, or two settings that contradict each other.
    """
    rest = dict(settings)
    wanted = rest.pop(PREPROCESSING, True)
    check_switch(id, PREPROCESSING, wanted)
    own = {name: rest.pop(name) for name in names_of_settings() if name in rest}
    if not wanted:
        if own:
            name, value = next(iter(own.items()))
            raise UpslopeError(
                f"{id} got {name}={value!r:.80} with preprocessing=False: it is a setting of the "
                "preprocessing. Leave it out; the emulator's own number of frames in a step is "
                "frameskip."
            )
        return None, rest
    for name, reason in REPLACED.items():
        if name in rest and (name, rest[name]) != ("frameskip", 1):
            raise UpslopeError(
                f"{id} got {name}={rest[name]!r:.80}: {reason}. To see what the emulator itself "
                "gives: preprocessing=False."
            )
    return AtariFrames(**own), {**rest, "frameskip": 1}
