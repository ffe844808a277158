"""What simulators do that is no breach of their contract and yet worth a word.

Relative imports: this module also runs in simulator processes, which never import JAX.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import spaces

if TYPE_CHECKING:
    from .step_buffer import Leaves

WATCHED = 1_000  # commands: what an environment does, it does early
ROUNDING = 1e-4  # of a bound's size: simulators overstep their bounds by that much


class Remark(NamedTuple):
    """What was seen of an environment.

    Attributes:
      text: names it, what it does and the remedy.
      reproducible: whether the same seed still gives the same episode.
    """

    text: str
    reproducible: bool


class Watch:
    """Looks at the first commands of a process's simulators.

    Args:
      name: of the environment.
      parts: the spaces of the leaves of its observations.

    Attributes:
      remarks: so far, one of a kind.
    """

    def __init__(self, name: str, parts: list[spaces.Space]):
        self.name = name
        self.remarks: list[Remark] = []
        self._left = WATCHED
        self._boxes = [
            (index, part)
            for index, part in enumerate(parts)
            if isinstance(part, spaces.Box) and part.dtype.kind == "f"
        ]
        self._generators: dict[str, object] = {}

    def before(self) -> None:
        """Simulators are about to move."""
        if self._left:
            self._generators = global_generators()

    def after(self, observation: Leaves, rows: np.ndarray) -> None:
        """Some rows [M] have moved; the leaves of what all show are [M, ...]."""
        if not self._left:
            return
        self._left -= 1
        now = global_generators()
        drawn = [name for name, state in self._generators.items() if state != now[name]]
        if drawn and all(remark.reproducible for remark in self.remarks):
            self.remarks.append(
                Remark(
                    f"{self.name} draws from {drawn[0]}: its seed does not decide its episodes, "
                    "and the run cannot be made again exactly. Draw from self.np_random, which "
                    "super().reset(seed=seed) seeds.",
                    False,
                )
            )
        for index, box in self._boxes:
            if (said := outside(box, observation[index][rows])) is not None:
                self._boxes = []
                text = (
                    f"{self.name} shows {said} outside its observation_space {shortened(box)}: "
                    "declare the true bounds, which networks and encodings may rely on."
                )
                self.remarks.append(Remark(text, True))
                break


def global_generators() -> dict[str, object]:
    """The state of the generators that all code of a process shares, by what they are called."""
    state: Any = np.random.get_state(legacy=True)  # Mersenne's words are made anew 624 at a time
    _, words, position, *_ = state
    return {
        "NumPy's global generator (numpy.random)": (int(position), int(words[0]), int(words[-1])),
        "Python's global generator (random)": random.getstate(),
    }


def outside(box: spaces.Box, values: np.ndarray) -> str | None:
    """The first number of observations [M, ...] that lies outside of a space, or None."""
    slack = ROUNDING * np.maximum(1.0, np.abs(values))
    with np.errstate(invalid="ignore"):
        bad = (values < box.low - slack) | (values > box.high + slack)
    if not bad.any():
        return None
    return f"{values[bad][0]:g}"


def shortened(box: spaces.Box) -> str:
    """A space in few words, whatever its shape."""
    text = repr(box).replace("\n", " ")
    return text if len(text) < 100 else f"Box of shape {box.shape}"
