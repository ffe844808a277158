"""Evaluations on simulators take a bounded part of a run, decided once and recorded."""

import gymnasium
import numpy as np
import pytest

from small_runs import InterruptAfter, Interruption, small_run, written
from upslope.environments import make
from upslope.storage.evaluations_file import Evaluations, read_evaluations, write_evaluations
from upslope.training.build import build
from upslope.training.config import resolve
from upslope.training.evaluation_bound import decided, is_of
from upslope.training.run import Run
from upslope.training.train import evaluate, resume

NAME = "UpslopeDrift-v0"
if NAME not in gymnasium.registry:
    gymnasium.register(NAME, entry_point="small_simulators:Drift")
BOUNDED = {"evaluation_episodes": 20, "final_episodes": 100, "evaluation_share": 0.25}


def of(environment, **settings):
    """What a configuration says of its evaluations when the run begins."""
    asked = resolve(environment, "ppo", settings)
    found = decided(asked, build(asked, make(environment)))
    assert is_of(found, asked)
    return found.evaluation_share, found.evaluation_limit


@pytest.mark.parametrize(
    ("environment", "settings", "expected"),
    [
        ("CartPole-v1", {}, (None, None)),
        ("gymnasium:CartPole-v1", {}, (0.25, None)),
        ("gymnasium:CartPole-v1", {"final_episodes": 50}, (None, None)),
        ("gymnasium:CartPole-v1", {"final_episodes": 50, "evaluation_share": 0.5}, (0.5, None)),
        (NAME, {"total_timesteps": 1_000}, (0.25, 1_000)),
        (NAME, {"total_timesteps": 500_000}, (0.25, 5_000)),
        (NAME, {"total_timesteps": 10**8}, (0.25, 10_000)),
        (NAME, {"evaluation_limit": 77, "evaluation_episodes": 3}, (None, 77)),
    ],
)
def test_it_is_decided_when_the_environment_is_known(environment, settings, expected):
    assert of(environment, **settings) == expected


def test_another_configuration_is_not_the_one_a_run_began_with():
    asked = resolve(NAME, "ppo", {})
    begun = decided(asked, build(asked, make(NAME)))
    assert not is_of(begun, resolve(NAME, "ppo", {"seed": 1}))
    assert not is_of(begun, resolve(NAME, "ppo", {"evaluation_share": 0.5}))


def test_all_episodes_of_every_evaluation_are_kept(tmp_path):
    returns = [np.arange(4.0).reshape(2, 2), np.arange(10.0).reshape(2, 5)]
    lengths = [np.full((2, 2), 3), np.full((2, 5), 4)]
    steps = [np.array([10, 12]), np.array([20, 20])]
    path = tmp_path / "evaluations.npz"
    write_evaluations(path, Evaluations.of(returns, lengths, steps))
    with np.load(path) as file:
        assert file["results"].shape == (2, 10)
        assert np.isnan(file["results_by_seed"][:, 0, 2:]).all()
    for k in range(2):
        for mine, theirs in zip(
            read_evaluations(path).moment(k), (steps[k], returns[k], lengths[k]), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
def test_a_bounded_run_resumes_to_the_same_bits_and_says_what_it_did(tmp_path):
    """The first policies fall early, so that the sizes of the evaluations differ."""
    options = {"environment": "gymnasium:CartPole-v1", "workers": 0, **BOUNDED}
    options["environment_settings"] = {"time_limit": 500}
    whole = small_run("ppo", tmp_path / "whole", **options)
    with pytest.raises(Interruption):
        small_run("ppo", tmp_path / "cut", InterruptAfter(2), **options)
    resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")

    sizes = [one.returns.shape[1] for one in whole.evaluations]
    assert sizes[0] == 1  # the limit is 500, the search has taken 256
    assert 1 < sizes[-1] < 100
    assert sum(one.lengths.sum() for one in whole.evaluations) < 0.3 * 2 * 1_024
    assert any("evaluation_share" in note for note in whole.summary.notes)
    opened = Run.load(tmp_path / "whole")
    for mine, theirs in zip(opened.evaluations, whole.evaluations, strict=True):
        np.testing.assert_array_equal(mine.returns, theirs.returns)
    assert f"{sizes[-1]} episodes per seed" in opened.report(tmp_path / "r.html").read_text()


@pytest.mark.slow
def test_blocks_of_episodes_and_workers_change_nothing(tmp_path):
    options = {"environment": NAME, "workers": 0, "evaluation_episodes": 3, "final_episodes": 8}
    run = small_run("ppo", tmp_path / "run", **options)
    assert run.summary.final.returns.shape == (2, 8)
    assert len(np.unique(run.summary.final.returns)) == 16
    two = small_run("ppo", tmp_path / "two", **{**options, "workers": 2})
    np.testing.assert_array_equal(two.summary.final.returns, run.summary.final.returns)
    many = evaluate(tmp_path / "run", episodes=45).returns
    np.testing.assert_array_equal(many[:, :25], evaluate(tmp_path / "run", episodes=25).returns)
    np.testing.assert_array_equal(many[:, :6], evaluate(tmp_path / "run", episodes=6).returns)
