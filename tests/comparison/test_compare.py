"""Which runs are compared, which are kept apart, and what is shown of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import upslope
from upslope.cli.compare_command import print_comparison, text_of, write
from upslope.comparison import compare, interquartile_mean
from upslope.core.checks import UpslopeError
from upslope.engine.history import History
from upslope.engine.progress import Evaluation, Summary, Times
from upslope.training import Run, RunConfig


def run(method="ppo", shift=0.0, state="done", seeds=5, **settings):
    """A run whose seeds improve from one evaluation to the next."""
    config = RunConfig("CartPole-v1", method, seeds=seeds, **{"total_timesteps": 300, **settings})
    history = History()
    for moment in (1, 2, 3):
        episodes = np.arange(4.0) * np.ones((seeds, 4)) + np.arange(seeds)[:, None]
        steps = np.full(seeds, 100 * moment)
        history.evaluations.append(
            Evaluation(steps, episodes * moment + shift, np.full((seeds, 4), 7))
        )
    summary = Summary(state, steps, history.evaluations[-1], Times())
    return Run(config, None, history, summary, None, None)


def test_runs_of_one_kind_are_one_group():
    better, worse = run("cem", shift=2.5), run("ppo")
    comparison = upslope.compare([better, worse], target=10.0, resamples=300)
    (group,) = comparison.groups
    assert not comparison.notes
    first, second = group.contenders
    assert (first.label, second.label) == ("cem", "ppo")
    np.testing.assert_array_equal(first.scores, better.returns)
    centre = first.aggregates["interquartile_mean"]
    assert centre.value == interquartile_mean(better.returns[:, None])
    assert centre.low < centre.value < centre.high
    assert first.curve.value[-1] == centre.value
    np.testing.assert_array_equal(first.steps, [100, 200, 300])
    pairs = better.returns[:, None] - worse.returns[None]
    wins = np.mean(pairs > 0) + 0.5 * np.mean(pairs == 0)
    assert group.improvement["cem", "ppo"].value == wins
    assert group.improvement["ppo", "cem"].value == 1 - wins
    short = np.mean(np.maximum(10 - better.returns, 0))
    assert first.aggregates["optimality_gap"].value == pytest.approx(short)
    assert first.profile.value[0] == 1
    assert first.profile.value[-1] == 0
    assert compare([better, worse], target=10.0, resamples=300).to_dict() == comparison.to_dict()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (dict(total_timesteps=7), "total timesteps 7, not 300"),
        (dict(final_episodes=3), "final episodes 3, not 100"),
        (dict(deterministic_evaluation=False), "deterministic evaluation False, not True"),
        (dict(environment_settings={"gravity": 1.0}), "environment settings"),
        (dict(evaluation_environment="Acrobot-v1"), "evaluation environment 'Acrobot-v1'"),
    ],
)
def test_unlike_runs_are_named_and_kept_apart(settings, reason):
    comparison = compare([run(), run("cem", **settings), run("dqn")], resamples=50)
    assert [[one.label for one in group.contenders] for group in comparison] == [
        ["ppo", "dqn"],
        ["cem"],
    ]
    (note,) = comparison.notes
    assert note.startswith("cem cannot be compared with ppo, dqn: ")
    assert reason in note


def test_versions_of_environments_keep_runs_apart(monkeypatch):
    found = iter([{"gymnasium": "1.1"}, {"gymnasium": "1.2"}])
    monkeypatch.setattr("upslope.comparison.compared_runs.versions", lambda _: next(found))
    comparison = compare([run(), run("cem")], resamples=50)
    assert len(comparison.groups) == 2
    assert "version of gymnasium '1.2', not '1.1'" in comparison.notes[0]


def test_an_unfinished_run_is_left_out_by_name():
    comparison = compare({"a": run(), "b": run(state="stopped")}, resamples=50)
    assert comparison.notes == ("b is left out: its state is 'stopped'.",)
    with pytest.raises(UpslopeError, match=r"no finished run\. b is left out"):
        compare({"b": run(state="stopped")})


@pytest.mark.parametrize("state", ["stop_at", "patience", "callback", "done"])
def test_a_run_that_ended_early_is_compared_and_named(state):
    short = run("cem", state=state, total_timesteps=1_000)
    full = run("ppo", total_timesteps=1_000)
    full.summary.steps[:] = 1_024
    comparison = compare([short, full], resamples=50)
    assert [one.label for one in comparison.groups[0].contenders] == ["cem", "ppo"]
    assert comparison.notes == ("cem ended early: its seeds took 300 of 1,000 steps.",)
    full.summary.steps[0] = 900
    (_, note) = compare([short, full], resamples=50).notes
    assert note == "ppo ended early: its seeds took 900 to 1,024 of 1,000 steps."


def test_runs_of_one_method_are_told_apart():
    labels = [one.label for one in compare([run(), run(), run("cem")]).groups[0].contenders]
    assert labels == ["ppo (0)", "ppo (1)", "cem"]


def test_one_run_by_itself_is_no_list():
    with pytest.raises(UpslopeError, match="several runs"):
        compare("runs/one")


def test_what_is_shown(capsys, tmp_path):
    pytest.importorskip("matplotlib")
    comparison = compare({"<b>": run(), "[red]": run("cem", 3.0), "one": run(seeds=1)})
    print_comparison(comparison)
    printed = capsys.readouterr().out
    assert "[red]" in printed
    assert "Probability of improvement" in printed
    assert "nan" not in printed
    assert "&lt;b&gt;" in comparison._repr_html_()
    assert "<b>" not in comparison._repr_html_()
    assert "IQM" in repr(comparison)
    values = json.loads(text_of(comparison))
    alone = values["groups"][0]["runs"][2]
    assert alone["aggregates"]["mean"]["low"] is None
    numbers, figure = write(comparison, tmp_path / "a" / "b")
    assert json.loads(numbers.read_text()) == values
    assert figure.read_bytes().startswith(b"\x89PNG")
