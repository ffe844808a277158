"""The two links of the acrobot under its bar."""

from __future__ import annotations

import numpy as np

from upslope.drawing.canvas import BLUE, FAINT, INK, ORANGE, Canvas
from upslope.environments.classic.acrobot import Acrobot


def draw_acrobot(environment: Acrobot, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """Both links, and the height that the tip has to reach.

    Args:
      environment: the length of the first link; the second is drawn as long.
      state: theta1 from hanging down, theta2 relative to the first link, velocities, [4].
      size: width and height, pixels.
    """
    length = float(environment.link_length)
    reach = 2.3 * length
    canvas = Canvas(*size, (-reach, reach), (-reach, reach))
    canvas.line([(-reach, length), (reach, length)], FAINT, 0.02 * length)
    first, second = float(state[0]), float(state[0] + state[1])
    elbow = length * np.array([np.sin(first), -np.cos(first)])
    tip = elbow + length * np.array([np.sin(second), -np.cos(second)])
    canvas.line(np.stack([np.zeros(2), elbow]), BLUE, 0.16 * length)
    canvas.line([elbow, tip], ORANGE, 0.16 * length)
    for joint in (np.zeros(2), elbow):
        canvas.disc(joint, 0.07 * length, INK)
    return canvas
