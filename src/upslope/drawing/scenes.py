"""Which environments can be drawn from their states, and how fast their time runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from upslope.core.annotations import EnvironmentState
from upslope.drawing.acrobot import draw_acrobot
from upslope.drawing.board import draw_board
from upslope.drawing.board_view import has_board
from upslope.drawing.canvas import Canvas
from upslope.drawing.cart_pole import draw_cart_pole, draw_swing_up
from upslope.drawing.grid import draw_changing_maze, draw_corridor, draw_maze
from upslope.drawing.mountain_car import draw_mountain_car
from upslope.drawing.pendulum import draw_pendulum
from upslope.drawing.stones import draw_stones
from upslope.environments.classic.acrobot import Acrobot
from upslope.environments.classic.cartpole import CartPole
from upslope.environments.classic.cartpole_swing_up import CartPoleSwingUp
from upslope.environments.classic.mountain_car import MountainCar
from upslope.environments.classic.mountain_car_continuous import MountainCarContinuous
from upslope.environments.classic.pendulum import Pendulum
from upslope.environments.environment import Environment
from upslope.environments.games.against_opponent import AgainstOpponent
from upslope.environments.games.tic_tac_toe import TicTacToe
from upslope.environments.tabular.corridor import ShortCorridor
from upslope.environments.tabular.dyna_maze import ChangingMaze, DynaMaze
from upslope.environments.wrappers.domain_randomization import (
    DomainRandomization,
    RandomizedState,
)
from upslope.environments.wrappers.wrapper import Wrapper

Size = tuple[int, int]
MOVES_PER_SECOND = 1.5
# What draws each class, and its steps in a second of a film; None: by its `timestep`.
SCENES: dict[type[Environment], tuple[Callable[..., Canvas], float | None]] = {
    CartPole: (draw_cart_pole, None),
    CartPoleSwingUp: (draw_swing_up, None),
    Pendulum: (draw_pendulum, None),
    Acrobot: (draw_acrobot, 15.0),
    MountainCar: (draw_mountain_car, 30.0),
    MountainCarContinuous: (draw_mountain_car, 30.0),
    DynaMaze: (draw_maze, 6.0),
    ChangingMaze: (draw_changing_maze, 30.0),
    ShortCorridor: (draw_corridor, 4.0),
    AgainstOpponent: (draw_board, MOVES_PER_SECOND),
}
# Of what is not in real time.
STEPS_PER_SECOND = 20.0


class Scene(NamedTuple):
    """How an environment is drawn.

    Attributes:
      draw: a state, as NumPy arrays, and a size in pixels to a picture.
      steps_per_second: in which its time passes as it would.
    """

    draw: Callable[[EnvironmentState, Size], Canvas]
    steps_per_second: float


def scene_of(environment: Environment) -> Scene | None:
    """How an environment is drawn from its states; None for one that cannot be.

    Wrappers are drawn as what they wrap; randomised physics as those of the episode.
    """
    if isinstance(environment, DomainRandomization):
        inner = scene_of(environment.environment)
        return inner and Scene(_randomized(environment), inner.steps_per_second)
    if isinstance(environment, AgainstOpponent) and not isinstance(environment.game, TicTacToe):
        if not has_board(environment.game):
            return None
        return Scene(functools.partial(draw_stones, environment), MOVES_PER_SECOND)
    for kind, (draw, speed) in SCENES.items():
        if isinstance(environment, kind):
            speed = speed or 1.0 / float(getattr(environment, "timestep", 1 / STEPS_PER_SECOND))
            return Scene(functools.partial(draw, environment), speed)
    return scene_of(environment.environment) if isinstance(environment, Wrapper) else None


def _randomized(environment: DomainRandomization) -> Callable[[RandomizedState, Size], Canvas]:
    def draw(state: RandomizedState, size: Size) -> Canvas:
        scene = scene_of(environment.with_physics(state.physics))
        assert scene is not None
        return scene.draw(state.state, size)

    return draw
