"""Runs that end before their budget: by a return, by patience, by a callback."""

import dataclasses

import numpy as np
import pytest

from small_runs import InterruptAfter, Interruption, small_run, status, written
from upslope.core.checks import UpslopeError
from upslope.engine.progress import Evaluation
from upslope.engine.stopping import StoppingRule
from upslope.training.config import resolve
from upslope.training.train import load, resume, train


def evaluated(*means):
    """Evaluations of two seeds whose mean return over both is given."""
    return [
        Evaluation(
            np.full(2, 100 * (k + 1)),
            np.array([[mean - 3.0, mean - 1.0], [mean + 1.0, mean + 3.0]]),
            np.ones((2, 2)),
        )
        for k, mean in enumerate(means)
    ]


@pytest.mark.parametrize(
    ("rule", "means", "reason"),
    [
        (StoppingRule(), [1, 2], None),
        (StoppingRule(stop_at=5), [4.9], None),
        (StoppingRule(stop_at=5), [5], "stop_at"),
        (StoppingRule(stop_at=5), [6, 4], None),  # it had to be the latest
        (StoppingRule(stop_at=-150), [-160], None),
        (StoppingRule(stop_at=-150), [-140], "stop_at"),
        (StoppingRule(patience=2), [3], None),
        (StoppingRule(patience=2), [3, 2], None),
        (StoppingRule(patience=2), [3, 2, 2.5], "patience"),
        (StoppingRule(patience=2), [3, 3, 3], "patience"),  # as good is no improvement
        (StoppingRule(patience=2), [3, 2, 3.1], None),
        (StoppingRule(patience=2), [3, 2, 3.1, 1], None),
        (StoppingRule(patience=1, stop_at=1), [3, 2], "stop_at"),
        (StoppingRule(patience=1, stop_at=9), [], None),
    ],
)
def test_the_rule_goes_by_the_mean_over_seeds(rule, means, reason):
    ending = rule(evaluated(*means))
    assert (ending and ending.reason) == reason
    if ending is not None:
        assert f"after {100 * len(means)} steps" in ending.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (dict(stop_at="high"), "stop_at='high'"),
        (dict(stop_at=float("nan")), "stop_at=nan"),
        (dict(stop_at=1.0, evaluations=1), "Raise evaluations"),
        (dict(patience=0), "patience=0"),
        (dict(patience=1.5), "patience=1.5"),
        (dict(patience=9), "evaluations=11 or more"),
    ],
)
def test_a_rule_that_nothing_can_meet_is_refused(settings, message):
    with pytest.raises(UpslopeError, match=message):
        resolve("CartPole-v1", "ppo", settings)


def test_a_callback_is_called():
    with pytest.raises(UpslopeError, match="EvaluationRecord"):
        train("CartPole-v1", "ppo", callback="print")


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    """A run that ends by patience, uninterrupted."""
    out = tmp_path_factory.mktemp("runs") / "run"
    return small_run("cem", out, evaluations=8, patience=1, std=0.01), out


@pytest.mark.slow
def test_the_reason_is_in_the_summary_the_folder_and_the_policy(patient):
    run, out = patient
    assert run.summary.reason == "patience"
    assert 2 <= len(run.evaluations) - 1 < 7  # on the way, and the final one
    assert run.evaluations[-1].returns.shape[1] == 4
    assert "patience=1" in run.summary.notes[0]
    assert status(out)["message"] == run.summary.notes[0]
    assert load(out).metadata["extra"]["ended_by"] == "patience"
    assert int(run.summary.steps.max()) < run.config.total_timesteps


@pytest.mark.slow
@pytest.mark.parametrize("where", ["on the way", "at the last one", "in the final one"])
def test_a_run_that_was_killed_ends_at_the_same_step(patient, tmp_path, where):
    run, out = patient
    count = len(run.evaluations)
    at = {"on the way": 1, "at the last one": count - 1, "in the final one": count}[where]
    other = tmp_path / "run"
    with pytest.raises(Interruption):
        small_run("cem", other, InterruptAfter(at), evaluations=8, patience=1, std=0.01)
    resumed = resume(other)
    assert written(other) == written(out)
    assert resumed.summary.reason == "patience"
    assert len(resumed.evaluations) == count


@pytest.mark.slow
def test_a_callback_sees_every_evaluation_and_may_end_the_run(tmp_path):
    records = []

    def watch(record):
        records.append(record)
        return len(records) < 2

    out = tmp_path / "run"
    with pytest.raises(Interruption):
        small_run("cem", out, InterruptAfter(3), callback=watch)  # while the final one is made
    run = resume(out)  # what the callback decided is kept
    assert run.summary.reason == "callback"
    assert "callback" in status(out)["message"]
    first, second = records
    for record, evaluation in zip(records, run.evaluations, strict=False):
        assert np.array_equal(record.returns, evaluation.returns.mean(axis=1))
        assert record.mean == evaluation.returns.mean()
        assert record.interval[0] <= record.mean <= record.interval[1]
        assert record.step == evaluation.steps.min()
    assert second.elapsed > first.elapsed > 0
    assert {"return", "best"} <= set(first.metrics)
    assert all(values.shape == (2,) for values in first.metrics.values())
    with pytest.raises(ValueError, match="read-only"):
        first.returns[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.step = 0
    with pytest.raises(TypeError):
        first.metrics["return"] = 0


@pytest.mark.slow
def test_looking_on_changes_no_number(tmp_path):
    finals = []
    small_run("cem", tmp_path / "seen", callback=lambda record: finals.append(record.final))
    small_run("cem", tmp_path / "unseen")
    assert finals == [False] * (len(finals) - 1) + [True]
    assert written(tmp_path / "seen") == written(tmp_path / "unseen")
