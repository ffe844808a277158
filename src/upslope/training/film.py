"""A film of episodes: what it shows, and the frames, which are drawn as they are asked for."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from upslope.drawing import Panel, side_by_side
from upslope.engine.progress import Evaluation

if TYPE_CHECKING:
    from PIL import Image

# Of each picture in a film, pixels.
SIZE = (320, 220)
# How long the end of an episode stays, seconds.
HOLD = 0.8


@dataclass(frozen=True)
class Clip:
    """One episode of one seed.

    Attributes:
      heading: `best: seed 3`.
      times: the step of each picture.
      returns: the undiscounted return up to each.
      total: the return of the whole episode, as `evaluate` counts it.
      length: its steps; more than the last of `times` where it was not filmed to its end.
      picture: draws the k-th.
    """

    heading: str
    times: Sequence[int]
    returns: Sequence[float]
    total: float
    length: int
    picture: Callable[[int], Image.Image]

    def panel(self, moment: int, last: int) -> Panel:
        """The k-th picture with its words; the last one stays while others go on to `last`."""
        final = len(self.times) - 1
        place = min(moment, final)
        if moment < final or self.times[final] < self.length:
            line = f"return {self.returns[place]:,.1f} at step {self.times[place]:,}"
            if moment >= final:
                line += f" of {self.length:,} ({self.total:,.1f} at the end)"
        else:
            line = f"return {self.total:,.1f} after {self.length:,} steps"
        return Panel(self.picture(place), self.heading, line, final < moment < last)


class Reel(Sequence["Image.Image"]):
    """The frames of a film, drawn one by one: all of them would not fit into memory.

    Args:
      title: above every frame.
      episodes: for each episode the clips that run side by side.
      fps: frames per second.
    """

    def __init__(self, title: str, episodes: Sequence[Sequence[Clip]], fps: float):
        self.title, self.episodes, self.fps = title, episodes, fps
        self._moments = [
            (episode, moment)
            for episode, clips in enumerate(episodes)
            for moment in range(max(len(clip.times) for clip in clips) + round(HOLD * fps))
        ]

    def __len__(self) -> int:
        return len(self._moments)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...
    @overload
    def __getitem__(self, index: slice) -> list[Image.Image]: ...
    def __getitem__(self, index: int | slice) -> Image.Image | list[Image.Image]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        episode, moment = self._moments[index]
        clips = self.episodes[episode]
        last = max(len(clip.times) for clip in clips) - 1
        count = len(self.episodes)
        title = self.title + (f", episode {episode + 1} of {count}" if count > 1 else "")
        return side_by_side(title, [clip.panel(moment, last) for clip in clips], SIZE)


@dataclass(frozen=True, repr=False)
class Film:
    """What `record` has made.

    Attributes:
      files: that were written.
      evaluation: the episodes of all seeds, those `upslope evaluate` plays: returns [S, E].
      seeds: whose are shown, from left to right.
      headings: what each is called in the film: `best: seed 3`.
      seconds: how long it is.
      notes: what could not be shown as it is, and why.
    """

    files: tuple[Path, ...]
    evaluation: Evaluation
    seeds: tuple[int, ...]
    headings: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{heading} {' '.join(f'{value:.1f}' for value in self.evaluation.returns[seed])}"
            for seed, heading in zip(self.seeds, self.headings, strict=True)
        )
        return f"Film({', '.join(map(str, self.files))}: {self.seconds:.1f} s; returns {shown})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the film itself, where there is a GIF, else what is in it."""
        for path in self.files:
            if path.suffix == ".gif":
                data = base64.b64encode(path.read_bytes()).decode()
                alt = html.escape(repr(self))
                return f'<img alt="{alt}" src="data:image/gif;base64,{data}">'
        return f"<code>{html.escape(repr(self))}</code>"
