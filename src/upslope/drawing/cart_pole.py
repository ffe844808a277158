"""The cart and its pole."""

from __future__ import annotations

import numpy as np

from upslope.drawing.canvas import BLUE, FAINT, GROUND, INK, ORANGE, Canvas
from upslope.environments.classic.cartpole import CartPole


def draw_cart_pole(environment: CartPole, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """The track with its ends, the cart at its position and the pole at its angle.

    Args:
      environment: its limits and the pole's length.
      state: position m, velocity, angle rad (clockwise from upright), angular velocity, [4].
      size: width and height, pixels.
    """
    limit, length = float(environment.position_limit), 2 * float(environment.half_length)
    canvas = Canvas(*size, (-1.12 * limit, 1.12 * limit), (-0.5, length + 0.9))
    canvas.line([(-1.1 * limit, 0), (1.1 * limit, 0)], GROUND, 0.03)
    for end in (-limit, limit):
        canvas.line([(end, -0.12), (end, 0.12)], FAINT, 0.03)
    x, angle = float(state[0]), float(state[2])
    canvas.box((x - 0.3, -0.12), (x + 0.3, 0.18), INK, 0.05)
    pivot = np.array([x, 0.18])
    tip = pivot + length * np.array([np.sin(angle), np.cos(angle)])
    canvas.line([pivot, tip], ORANGE, 0.09)
    canvas.disc(pivot, 0.06, BLUE)
    return canvas
