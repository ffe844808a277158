"""A grid world's moves and values as text."""

import numpy as np
import pytest

import upslope
from upslope.drawing import cells_text
from upslope.environments.tabular.grid_layout import GridLayout, grid_of

# Down is 0, right is 1: the moves of a layout need no order.
LAYOUT = GridLayout(np.array([[False, True], [False, False]]), {3: "G"}, ((1, 0), (0, 1)))
ACTIONS = np.array([[True, False], [True, True], [False, True], [True, True]])


def lines(**settings):
    ends = [False, False, False, True]
    return cells_text(LAYOUT, [0.5, 0.0, 1.0, 0.0], ACTIONS, ends, **settings)


def test_moves_stand_beside_values():
    assert lines() == ["policy    values", "↓  #      0.500  #", "→  G      1.00   0"]
    assert lines(ascii_only=True)[1].startswith("v  #")


def test_what_does_not_fit_is_put_below_or_left_out():
    assert lines(width=12) == ["policy", "↓  #", "→  G", "values", "0.500  #", "1.00   0"]
    assert lines(width=7) == ["policy", "↓  #", "→  G"]
    assert lines(width=3) == []


def test_ties_are_all_shown():
    everywhere = np.ones((4, 2), bool)
    text = cells_text(LAYOUT, np.zeros(4), everywhere, np.zeros(4, bool))
    assert text[1].split()[0] == "*"
    four = GridLayout(np.zeros((1, 2), bool), {}, ((0, -1), (1, 0), (0, 1), (-1, 0)))
    actions = np.array([[False, True, True, False], [True, True, True, True]])
    assert cells_text(four, [1.0, 2.0], actions, [False, False])[1].split()[:2] == ["→↓", "*"]


@pytest.mark.parametrize(
    ("name", "shape", "marks"),
    [
        ("dyna-maze", (6, 9), {18: "S", 8: "G"}),
        ("short-corridor", (1, 4), {0: "S", 3: "G"}),
        ("CliffWalking-v1", (4, 12), {36: "S", 40: "C", 47: "G"}),
        ("FrozenLake8x8-v1", (8, 8), {0: "S", 19: "H", 63: "G"}),
    ],
)
def test_layouts_of_grid_worlds(name, shape, marks):
    layout = grid_of(upslope.make(name))
    assert layout is not None
    assert layout.walls.shape == shape
    assert {state: layout.marks[state] for state in marks} == marks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["FrozenLake-v1", "CliffWalking-v1", "dyna-maze"])
def test_moves_lead_where_the_table_says(name):
    """From a cell with nothing in the way, the table's likeliest successor (or the only one)."""
    settings = {"is_slippery": False} if name == "FrozenLake-v1" else {}
    environment = upslope.make(name, **settings)
    layout = grid_of(environment)
    mdp = upslope.exact.as_finite_mdp(environment)
    columns = layout.walls.shape[1]
    state = {"FrozenLake-v1": 9, "CliffWalking-v1": 14, "dyna-maze": 37}[name]
    for action, (down, right) in enumerate(layout.moves):
        assert int(np.argmax(mdp.transition[state, action])) == state + down * columns + right


def test_others_have_no_layout():
    for name in ("garnet", "CartPole-v1", "Taxi-v4"):
        assert grid_of(upslope.make(name)) is None
