"""The pendulum on its motor."""

from __future__ import annotations

import numpy as np

from upslope.drawing.canvas import FAINT, GROUND, INK, ORANGE, Canvas
from upslope.environments.classic.pendulum import Pendulum


def draw_pendulum(environment: Pendulum, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """The rod at its angle, and where it should stand.

    Args:
      environment: its length.
      state: angle rad (counterclockwise from upright), angular velocity, [2].
      size: width and height, pixels.
    """
    length, angle = float(environment.length), float(state[0])
    reach = 1.25 * length
    canvas = Canvas(*size, (-reach, reach), (-reach, reach))
    canvas.disc((0, 0), length, GROUND, 0.012 * length)
    canvas.line([(0, 0.94 * length), (0, 1.06 * length)], FAINT, 0.03 * length)
    tip = length * np.array([-np.sin(angle), np.cos(angle)])
    canvas.line(np.stack([np.zeros(2), tip]), ORANGE, 0.11 * length)
    canvas.disc((0, 0), 0.05 * length, INK)
    return canvas
