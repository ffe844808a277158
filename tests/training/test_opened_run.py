"""A run folder gives the run back: numbers, policies, pictures, and no code is run for them."""

from __future__ import annotations

import numpy as np
import pytest

import upslope
from small_runs import InterruptAfter, Interruption, small_run
from upslope.core.checks import StorageError, UpslopeError
from upslope.core.html_table import html_table
from upslope.engine.progress import Evaluation
from upslope.optimization.result import Curve, Result


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "done"
    return small_run("cem", folder), folder


@pytest.mark.slow
def test_a_finished_run_is_given_back(pair, monkeypatch):
    run, folder = pair
    monkeypatch.setattr("upslope.training.build.build", lambda *_: pytest.fail("not needed"))
    opened = upslope.Run.load(folder)
    assert opened.config == run.config
    assert list(opened.curves) == list(run.curves)
    for name, column in run.curves.items():
        np.testing.assert_array_equal(opened.curves[name], column)
    np.testing.assert_array_equal(opened.returns, run.returns)
    assert opened.interval() == run.interval()
    for ours, theirs in zip(opened.evaluations, run.evaluations, strict=True):
        np.testing.assert_array_equal(ours.steps, theirs.steps)
        np.testing.assert_array_equal(ours.returns, theirs.returns[:, : ours.returns.shape[1]])
    observation = np.array([0.1, -0.2, 0.03, 0.4], np.float32)
    for seed in range(2):
        action, _ = opened.agent(seed).predict(observation, deterministic=True)
        assert action == run.agent(seed).predict(observation, deterministic=True)[0]
    assert repr(opened) == repr(run)
    assert repr(opened).startswith("Run(cem on CartPole-v1, 2 seeds, return ")
    assert "CartPole-v1" in repr(upslope.load(folder))


@pytest.mark.slow
def test_an_unfinished_run_has_curves_and_says_what_it_lacks(tmp_path):
    folder = tmp_path / "cut"
    with pytest.raises(Interruption):
        small_run("cem", folder, InterruptAfter(2))
    opened = upslope.Run.load(folder)
    assert opened.policies is None
    assert opened.summary.reason == "failed"
    assert opened.curves["steps"].size > 0
    assert opened.summary.steps.max() == opened.curves["steps"].max()
    assert "failed" in repr(opened)
    with pytest.raises(StorageError, match=r"no policy yet.*upslope resume"):
        opened.agent()
    with pytest.raises(StorageError, match="no policy yet"):
        opened.evaluate(episodes=1)


@pytest.mark.slow
def test_a_log_of_another_run_is_refused(pair, tmp_path):
    import shutil

    copy = shutil.copytree(pair[1], tmp_path / "copy")
    with open(copy / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "seed": 9, "iteration": 1, "steps": 5}\n')
    with pytest.raises(StorageError, match=r"seed 9; the run has 2 seeds"):
        upslope.Run.load(copy)


def test_what_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(StorageError, match="not a run folder"):
        upslope.Run.load(tmp_path)
    with pytest.raises(UpslopeError, match="must be a path"):
        upslope.Run.load(7)  # type: ignore[arg-type]


def test_an_evaluation_reads_well():
    many = Evaluation(np.full(30, 7), np.ones((30, 500)), np.full((30, 500), 3))
    assert len(repr(many)) < 200
    assert "30 seeds x 500 episodes" in repr(many)
    one = Evaluation(np.array([1200]), np.array([[1.0, 2.0]]), np.array([[4, 4]]))
    shown = "returns 1.5; mean length 4.0, 1,200 steps each"
    assert repr(one) == f"Evaluation(1 seed x 2 episodes: {shown})"


def test_tables_are_escaped():
    table = html_table("<script>", ["<b>"], [["&", "<i>"]])
    assert "<script>" not in table
    assert "<b>" not in table
    assert "&lt;i&gt;" in table


def test_a_solution_shows_itself_in_a_notebook():
    curve = Curve(np.array([1]), np.array([0.5]), np.array([0.5]))
    result = Result(np.zeros(2), 0.5, 0.0, 0.5, True, "a < b", 10, 1, curve, "cma-es")
    assert "a &lt; b" in result._repr_html_()
    assert "cma-es" in result._repr_html_()
