"""The car in its valley."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from upslope.drawing.canvas import GREEN, GROUND, INK, ORANGE, Canvas
from upslope.environments.classic.mountain_car import MountainCar
from upslope.environments.classic.mountain_car_continuous import MountainCarContinuous

HillTrack: TypeAlias = MountainCar | MountainCarContinuous


def hill(x: np.ndarray) -> np.ndarray:
    """The height of the track, whose slope is what the dynamics pull the car by: cos 3x."""
    return 0.45 * np.sin(3 * x) + 0.55


def draw_mountain_car(environment: HillTrack, state: np.ndarray, size: tuple[int, int]) -> Canvas:
    """The hills, the flag at the goal and the car.

    Args:
      environment: the ends of its track and its goal.
      state: position, velocity, [2].
      size: width and height, pixels.
    """
    low, high = float(environment.min_position), float(environment.max_position)
    canvas = Canvas(*size, (low - 0.05, high + 0.05), (-0.1, 1.3))
    track = np.linspace(low - 2, high + 2, 400)
    inside = np.clip(track, low, high)
    ground = np.column_stack([track, hill(inside)])
    canvas.polygon([*ground, (high + 2, -2), (low - 2, -2)], GROUND)
    goal = float(environment.goal_position)
    foot = float(hill(np.array(goal)))
    canvas.line([(goal, foot), (goal, foot + 0.2)], INK, 0.012)
    canvas.polygon([(goal, foot + 0.2), (goal + 0.1, foot + 0.165), (goal, foot + 0.13)], GREEN)
    x = float(state[0])
    slope = np.arctan(1.35 * np.cos(3 * x))
    turn = np.array([[np.cos(slope), -np.sin(slope)], [np.sin(slope), np.cos(slope)]])
    base = np.array([x, float(hill(np.array(x)))])
    body = np.array([(-0.08, 0.03), (-0.08, 0.08), (-0.04, 0.12), (0.05, 0.12), (0.08, 0.08)])
    body = np.concatenate([body, [(0.08, 0.03)]])
    canvas.polygon(body @ turn.T + base, ORANGE)
    for wheel in (-0.045, 0.045):
        canvas.disc(base + turn @ np.array([wheel, 0.03]), 0.03, INK)
    return canvas
