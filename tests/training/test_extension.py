"""A run goes further than it was asked to: it is then the run with the larger budget."""

import json

import numpy as np
import pytest

from small_runs import InterruptAfter, Interruption, small_run, status, written
from upslope.cli.main import main
from upslope.core.checks import UpslopeError
from upslope.search.evolution.cross_entropy import CrossEntropyMethod
from upslope.search.gradient.ppo import PPO
from upslope.search.value_based.dqn import DQN
from upslope.training.config import RunConfig
from upslope.training.extension import extended, said_of_extension
from upslope.training.run import Run
from upslope.training.run_folder import RunFolder
from upslope.training.train import resume


def policies_and_rows(folder):
    """What must be that of the run with the larger budget: all but how often is evaluated."""
    found = written(folder)
    return found["policy"], found["metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["CartPole-v1", "gymnasium:CartPole-v1"])
def test_a_run_that_is_done_goes_further_bit_for_bit(environment, tmp_path):
    options = dict(environment=environment, total_timesteps=1200, evaluations=8)
    options["environment_settings"] = {}  # episodes as long as users have them
    small_run("cem", tmp_path / "whole", **options)
    first = small_run(
        "cem", tmp_path / "run", **{**options, "total_timesteps": 600, "evaluations": 4}
    )
    reporter = InterruptAfter(100)
    further = resume(tmp_path / "run", total_timesteps="1.2k", reporter=reporter)
    assert policies_and_rows(tmp_path / "run") == policies_and_rows(tmp_path / "whole")
    assert status(tmp_path / "run")["state"] == "done"
    assert reporter.notes == [note for note in reporter.notes if "schedule" not in note]
    # Its own configuration is that of the whole run, and says what came first.
    assert further.config.total_timesteps == 1200
    assert further.config.evaluations == 2 * first.config.evaluations
    provenance = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert provenance["budgets"] == [600, 1200]
    # The evaluations of the first part are still there, its end included, and each once.
    steps = [evaluation.steps for evaluation in Run.load(tmp_path / "run").evaluations]
    assert len({tuple(s.tolist()) for s in steps}) == len(steps) > len(first.evaluations)
    assert (np.diff(np.array(steps), axis=0) >= 0).all()
    for before, kept in zip(first.evaluations, steps, strict=False):
        assert before.steps.tolist() == kept.tolist()


@pytest.mark.slow
def test_rows_of_the_log_stay_as_long_as_they_were(tmp_path):
    """Where the larger budget would sum up two iterations in a row of the log."""
    options = dict(n_envs=1, train_freq=1, buffer_size=64, learning_starts=2000, hidden=(2,))
    small_run("dqn", tmp_path / "run", total_timesteps=1900, evaluations=1, **options)
    run = resume(tmp_path / "run", total_timesteps=2400)
    of_first = np.array(run.curves["seed"]) == 0
    assert np.array(run.curves["steps"])[of_first].tolist() == list(range(1, 2401))


@pytest.mark.slow
def test_a_run_that_was_killed_on_its_way_further_goes_on(tmp_path):
    small_run("cem", tmp_path / "run", total_timesteps=600)
    with pytest.raises(Interruption):
        resume(tmp_path / "run", total_timesteps=2400, reporter=InterruptAfter(3))
    small_run("cem", tmp_path / "whole", total_timesteps=2400, evaluations=16)
    resume(tmp_path / "run")
    assert policies_and_rows(tmp_path / "run") == policies_and_rows(tmp_path / "whole")


@pytest.mark.slow
def test_a_run_that_a_rule_has_ended_goes_further(tmp_path):
    run = small_run("cem", tmp_path / "run", stop_at=1.0, evaluations=4)
    assert run.summary.reason == "stop_at"
    ended = int(run.summary.steps.max())
    assert ended < 1200
    run = resume(tmp_path / "run", total_timesteps=1200)
    assert run.summary.steps.min() > ended


CONFIG = RunConfig("CartPole-v1", "ppo", total_timesteps=100_000, evaluations=10)


@pytest.mark.parametrize(
    ("budget", "taken", "word"),
    [
        (100_000, 100_000, "the run has taken 100,000"),
        (50_000, 20_000, "the run has a budget of 100,000"),
        (120_000, 131_072, "the run has taken 131,072"),
        (0, 0, "at least 1"),
        (1.5e5 + 0.5, 0, "total_timesteps"),
        ("many", 0, "total_timesteps"),
    ],
)
def test_a_budget_that_is_behind_is_refused(budget, taken, word):
    with pytest.raises(UpslopeError, match=word):
        extended(CONFIG, budget, taken)


@pytest.mark.parametrize(("budget", "evaluations"), [(200_000, 20), ("125k", 13), (1e6, 100)])
def test_evaluations_come_as_often_per_step(budget, evaluations):
    further = extended(CONFIG, budget, 100_000)
    assert (further.total_timesteps, further.evaluations) == (
        int(float(str(budget).replace("k", "e3"))),
        evaluations,
    )


@pytest.mark.parametrize(
    ("method", "names"),
    [
        (PPO(total_timesteps=1e5), None),
        (PPO(total_timesteps=1e5, learning_rate_schedule="linear"), "learning_rate_schedule"),
        (DQN(), "exploration_fraction"),
        (CrossEntropyMethod(), None),
    ],
)
def test_schedules_that_follow_the_budget_are_said(method, names):
    further = extended(CONFIG, 200_000, 100_000)
    notes = said_of_extension(CONFIG, further, method)
    assert len(notes) == (names is not None)
    assert names is None or notes[0].startswith(f"{names} of ppo follows the share")
    assert said_of_extension(CONFIG, CONFIG, method) == []


@pytest.mark.parametrize("text", [None, "", "[]", '{"began_with": 7}'])
def test_a_folder_whose_provenance_was_lost_is_extended(text, tmp_path):
    with RunFolder.create(None, "CartPole-v1", "ppo", path=tmp_path / "run") as folder:
        folder.write_config(CONFIG.to_dict())
        assert folder.budgets() == [100_000]
        file = folder.path / "environment.json"
        file.unlink() if text is None else file.write_text(text)
        folder.extend(extended(CONFIG, 200_000, 100_000).to_dict())
        assert folder.config()["total_timesteps"] == 200_000
        assert folder.budgets() in ([], [200_000])
        assert folder.changes(folder.config()) == []


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    run = str(tmp_path / "my run")
    small_run("cem", tmp_path / "my run", total_timesteps=600)
    assert main(["resume", run]) == 2
    said = capsys.readouterr().err
    assert f"upslope resume '{run}' --total_timesteps 1200" in " ".join(said.split())
    assert main(["resume", run, "--total_timesteps", "600"]) == 2
    assert "Give more than that" in " ".join(capsys.readouterr().err.split())
    assert main(["resume", run, "--total_timesteps", "1.2k", "--quiet"]) == 0
    assert status(tmp_path / "my run")["step"] >= 1200
