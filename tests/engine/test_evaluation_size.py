"""How many held-out episodes are played where their steps are bounded by the search's."""

import numpy as np
import pytest

from upslope.engine.evaluation_size import evaluation_size, needs_pilot
from upslope.engine.history import History
from upslope.engine.loop import RunSchedule
from upslope.engine.progress import Evaluation

BOUNDED = RunSchedule(100_000, evaluation_share=0.25, evaluation_limit=1_000)
STEPS = np.array([50_000, 50_000])


def history_of(*evaluations, training=None):
    """A history whose evaluations had so many episodes of a length, and its training."""
    history = History()
    for episodes, length in evaluations:
        shape = (2, episodes)
        history.evaluations.append(
            Evaluation(STEPS, np.zeros(shape), np.full(shape, length, dtype=int))
        )
    if training is not None:
        row = {"seed": 0, "iteration": 1, "steps": 1, "return": 0.0, "length": training}
        history.restore([row, row | {"seed": 1}], np.array([1, 1]))
    return history


def test_without_a_share_the_numbers_are_exact():
    schedule = RunSchedule(100, evaluation_share=None)
    assert evaluation_size(schedule, history_of((20, 10_000)), STEPS, final=False) == 20
    assert evaluation_size(schedule, history_of((20, 10_000)), STEPS, final=True) == 100


@pytest.mark.parametrize(
    ("history", "final", "episodes"),
    [
        (history_of(), False, 6),  # 6,250 steps on the way, at most 1,000 each
        (history_of((2, 100)), False, 20),  # (6,250 - 200) / 100, and at most 20
        (history_of((5, 1_000)), False, 1),  # 1,250 / 1,000
        (history_of((20, 1_000)), False, 1),  # too much was taken: the least there is
        (history_of((2, 100), training=500.0), False, 12),  # the longer ones count
        (history_of((2, 100), training=np.nan), False, 20),
        (history_of((2, 100), training=9_999.0), False, 6),  # but no longer than the limit
        (history_of((5, 1_000)), True, 7),  # 12,500 - 5,000
        (history_of((5, 10)), True, 100),
    ],
)
def test_episodes_are_as_many_as_the_share_allows(history, final, episodes):
    assert evaluation_size(BOUNDED, history, STEPS, final=final) == episodes


@pytest.mark.parametrize(
    ("length", "episodes"),
    [
        (20, 100),  # (12,500 - 20) / 20, and at most 100
        (500, 24),  # its own steps are counted
        (20_000, 1),  # more than there is: the least
    ],
)
def test_the_only_evaluation_is_sized_by_an_episode_that_is_played_first(length, episodes):
    pilot = np.array([length, length])
    assert evaluation_size(BOUNDED, History(), STEPS, final=True) == 12  # of 1,000 steps
    assert evaluation_size(BOUNDED, History(), STEPS, final=True, pilot=pilot) == episodes


def test_an_episode_is_played_first_before_the_only_evaluation_alone():
    assert needs_pilot(BOUNDED, History(), final=True)
    assert not needs_pilot(BOUNDED, History(), final=False)
    assert not needs_pilot(BOUNDED, history_of((1, 10)), final=True)
    assert not needs_pilot(RunSchedule(100), History(), final=True)


def test_ten_evaluations_of_the_longest_episodes_take_a_quarter():
    history, taken = History(), 0
    for k in range(1, 11):
        steps = np.full(2, 10_000 * k)
        episodes = evaluation_size(BOUNDED, history, steps, final=k == 10)
        taken += 1_000 * episodes
        lengths = np.full((2, episodes), 1_000)
        history.evaluations.append(Evaluation(steps, np.zeros((2, episodes)), lengths))
    assert 24_000 <= taken <= 25_000


def test_the_block_is_what_an_evaluation_can_afford():
    assert RunSchedule(100_000).block == 20
    assert BOUNDED.block == 4
    assert BOUNDED._replace(total_timesteps=1_000_000).block == 12
    assert BOUNDED._replace(total_timesteps=10**8).block == 20
