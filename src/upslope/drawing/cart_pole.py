"""The cart and its pole."""

from __future__ import annotations

import numpy as np

from upslope.drawing.canvas import BLUE, FAINT, GROUND, INK, ORANGE, Canvas
from upslope.environments.classic.cartpole import CartPole
from upslope.environments.classic.cartpole_swing_up import CartPoleSwingUp

# Of a track without ends, this much is shown.
SHOWN = 2.4


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
    _cart(canvas, float(state[0]), float(state[2]), length)
    return canvas


def draw_swing_up(environment: CartPoleSwingUp, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """The track, which has no ends, the cart and the pole, with room for it to hang.

    Args:
      environment: the pole's length.
      state: position m, velocity, angle rad (clockwise from upright), angular velocity, [4].
      size: width and height, pixels.
    """
    length = 2 * float(environment.half_length)
    canvas = Canvas(*size, (-1.12 * SHOWN, 1.12 * SHOWN), (-length - 0.3, length + 0.6))
    canvas.line([(-1.12 * SHOWN, 0), (1.12 * SHOWN, 0)], GROUND, 0.03)
    canvas.line([(0, -0.12), (0, 0.12)], FAINT, 0.03)
    _cart(canvas, float(state[0]), float(state[2]), length)
    return canvas


def _cart(canvas: Canvas, x: float, angle: float, length: float) -> None:
    canvas.box((x - 0.3, -0.12), (x + 0.3, 0.18), INK, 0.05)
    pivot = np.array([x, 0.18])
    tip = pivot + length * np.array([np.sin(angle), np.cos(angle)])
    canvas.line([pivot, tip], ORANGE, 0.09)
    canvas.disc(pivot, 0.06, BLUE)
