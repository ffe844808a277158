"""What a run does that nobody asked for is said."""

import numpy as np
import pytest

from small_runs import InterruptAfter, small_run
from upslope.engine.progress import Evaluation
from upslope.environments import make
from upslope.training.build import build
from upslope.training.config import resolve
from upslope.training.unasked import said_after, said_before


def settled(environment, method, **settings):
    config = resolve(environment, method, settings)
    return config, build(config)


def test_a_budget_that_is_rounded_up_is_said_before_and_after():
    config, built = settled("Pendulum-v1", "ppo", total_timesteps=3000, n_envs=8, n_steps=2048)
    (note,) = said_before(config, built)
    assert "3,000 is rounded up to 16,384" in note
    ended = Evaluation(np.full(4, 16384), np.zeros((4, 2)), np.ones((4, 2)))
    assert "took 16,384 steps" in said_after(config, built, ended.steps, ended)[0]
    config, built = settled("Pendulum-v1", "ppo", total_timesteps=16000, n_envs=8, n_steps=2048)
    assert not said_before(config, built)
    assert not said_after(config, built, ended.steps, ended)


def test_replay_rounds_by_its_fresh_steps():
    settings = dict(total_timesteps=10, n_envs=2, train_freq=4, buffer_size=200, batch_size=32)
    config, built = settled("CartPole-v1", "dqn", **settings)
    assert "rounded up to 16" in said_before(config, built)[0]


def test_settings_that_nobody_has_tuned_are_said():
    (note,) = said_before(*settled("Pendulum-v1", "reinforce", total_timesteps=100_000))
    assert "No tuned settings of reinforce" in note
    assert "ppo" in note
    (note,) = said_before(*settled("probe-action", "reinforce", total_timesteps=100_000))
    assert "Tuned for it" not in note
    assert not said_before(*settled("gymnasium:CartPole-v1", "ppo"))


@pytest.mark.parametrize(
    ("limit", "length", "word"),
    [
        (500, 500, "Every held-out episode lasted until the time limit of 500"),
        (500, 499, None),
        (None, 10_000, "Every final episode was truncated after 10,000"),
        (None, 9_999, None),
    ],
)
def test_held_out_episodes_that_do_not_end_are_said(limit, length, word):
    settings = {"time_limit": limit}
    config = resolve("CartPole-v1", "ppo", {"gamma": 0.9}, environment_settings=settings)
    environment = make("CartPole-v1", **settings)
    built = build(config, environment)
    final = Evaluation(np.full(2, 100), np.zeros((2, 2)), np.full((2, 2), length))
    notes = said_after(config, built, final.steps, final)
    assert (word in notes[0]) if word else not notes


@pytest.mark.slow
def test_both_reach_the_user():
    reporter = InterruptAfter(99)
    run = small_run("ppo", None, reporter, total_timesteps=100, evaluations=1)
    assert any("rounded up to 128" in note for note in reporter.notes)
    assert any("took 128 steps" in note for note in run.summary.notes)
