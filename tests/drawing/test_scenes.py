"""Pictures show the state: what moves in the environment moves in the picture."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from upslope.core.checks import UpslopeError
from upslope.drawing import Canvas, ObservationPlot, Panel, scene_of, side_by_side
from upslope.drawing.canvas import BLUE, ORANGE, require_pillow
from upslope.environments import DomainRandomization, FullyObserved, LogUniform, make

SIZE = (160, 110)
DRAWN = [
    "CartPole-v1",
    "cartpole-swing-up",
    "Pendulum-v1",
    "Acrobot-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "dyna-maze",
    "blocking-maze",
    "shortcut-maze",
    "short-corridor",
    "tic-tac-toe",
    "connect-four",
]


def centre(picture, color):
    """Mean place (column, row) of the pixels of a colour."""
    wanted = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    rows, columns = np.nonzero((np.asarray(picture) == wanted).all(axis=2))
    assert rows.size, f"nothing is {color}"
    return columns.mean(), rows.mean()


def picture(name, state, **settings):
    return scene_of(make(name, **settings)).draw(state, SIZE).image()


@pytest.mark.parametrize("name", DRAWN)
def test_every_state_on_the_way_is_drawn(name):
    environment = make(name)
    state, _ = environment.reset(jax.random.key(0))
    scene = scene_of(environment)
    shown = scene.draw(jax.tree.map(np.asarray, state), SIZE).image()
    assert shown.size == SIZE
    assert len(set(shown.get_flattened_data())) > 3
    assert 1 <= scene.steps_per_second <= 60


def test_the_cart_is_where_it_is_and_the_pole_leans_as_it_leans():
    left, right = (picture("CartPole-v1", np.array([x, 0, 0, 0])) for x in (-1.5, 1.5))
    assert centre(left, BLUE)[0] < SIZE[0] / 2 < centre(right, BLUE)[0]
    leaning = picture("CartPole-v1", np.array([0, 0, 0.2, 0]))
    assert centre(leaning, ORANGE)[0] > SIZE[0] / 2
    hanging = picture("cartpole-swing-up", np.array([0, 0, np.pi, 0]))
    assert centre(hanging, ORANGE)[1] > centre(hanging, BLUE)[1]


def test_angles_are_those_of_the_source():
    upright, hanging = (picture("Pendulum-v1", np.array([angle, 0])) for angle in (0.0, np.pi))
    assert centre(upright, ORANGE)[1] < SIZE[1] / 2 < centre(hanging, ORANGE)[1]
    quarter = picture("Pendulum-v1", np.array([np.pi / 2, 0]))  # counterclockwise
    assert centre(quarter, ORANGE)[0] < SIZE[0] / 2
    down, up = (picture("Acrobot-v1", np.array([angle, 0, 0, 0])) for angle in (0.0, np.pi))
    assert centre(up, ORANGE)[1] < centre(up, BLUE)[1] < centre(down, BLUE)[1]


def test_the_agent_is_in_its_cell_and_the_walls_change():
    corner, goal = picture("dyna-maze", np.array(0)), picture("dyna-maze", np.array(53))
    assert centre(corner, BLUE)[0] < centre(goal, BLUE)[0]
    assert centre(corner, BLUE)[1] < centre(goal, BLUE)[1]
    environment = make("blocking-maze")
    state, _ = environment.reset(jax.random.key(0))
    before, after = (
        scene_of(environment).draw(state._replace(clock=clock), SIZE).image()
        for clock in (999, 1000)
    )
    assert before.tobytes() != after.tobytes()


def test_randomised_physics_are_those_of_the_episode():
    domain = DomainRandomization(make("CartPole-v1"), {"half_length": LogUniform(0.2, 1.0)})
    state, _ = domain.reset(jax.random.key(1))
    scene = scene_of(FullyObserved(domain))
    long = state._replace(physics={"half_length": np.float32(1.0)})
    short = state._replace(physics={"half_length": np.float32(0.2)})
    lengths = []
    for one in (short, long):
        shown = np.asarray(scene.draw(one, SIZE).image())
        rows = np.nonzero((shown == [0xD5, 0x5E, 0x00]).all(axis=2))[0]
        lengths.append(np.ptp(rows))
    assert lengths[1] > 1.5 * lengths[0]


def test_stones_are_the_learners_and_the_opponents():
    """As second player the learner's stones are those of who did not begin; the floor is below."""
    environment = make("connect-four", play_as="second")
    state, _ = environment.reset(jax.random.key(0))  # the opponent has moved
    for column in (0, 6):
        game, _ = environment.game.step(jax.random.key(0), state.game, column)
        shown = scene_of(environment).draw(state._replace(game=game), SIZE).image()
        assert (centre(shown, BLUE)[0] < SIZE[0] / 2) == (column == 0)
        assert centre(shown, BLUE)[1] > SIZE[1] * 0.8
        assert centre(shown, ORANGE)[1] > SIZE[1] * 0.6
    swapped = state._replace(game=game, learner=1 - state.learner)
    assert centre(scene_of(environment).draw(swapped, SIZE).image(), ORANGE)[0] > SIZE[0] / 2
    assert scene_of(make("nim")) is None


def test_what_has_no_picture_says_so():
    assert scene_of(make("garnet")) is None


@pytest.mark.parametrize("numbers", [1, 4, 40])
def test_observations_are_plotted_up_to_the_moment(numbers):
    values = np.random.default_rng(0).normal(size=(30, numbers))
    early, late = map(ObservationPlot(values, SIZE).picture, (3, 29))
    half = SIZE[0] // 2
    right = [np.asarray(shown)[10:90, half + 20 : SIZE[0] - 30] for shown in (early, late)]
    assert right[0].std() < 8 < right[1].std()
    assert ObservationPlot(np.full((1, numbers), np.nan), SIZE).picture(0).size == SIZE


def test_panels_have_even_sizes_and_long_words_are_cut():
    small = Canvas(31, 21, (0, 1), (0, 1)).image()
    frame = side_by_side("t" * 400, [Panel(small, "w" * 99, "return 1")] * 3, (101, 51))
    assert frame.width % 2 == frame.height % 2 == 0
    assert frame.width < 3 * 120


def test_without_pillow_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[report\]'"):
        require_pillow()
