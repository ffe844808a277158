"""`upslope solve`: what it prints, draws, writes and refuses."""

import json

import numpy as np
import pytest

import upslope
from upslope.cli import main

LAKE = ("solve", "FrozenLake-v1", "value-iteration", "--gamma", "0.95")


def printed(capsys, *words, code=0):
    """What the command writes to standard output; its exit code is checked."""
    assert main.main(words) == code
    return capsys.readouterr().out


def refused(capsys, *words):
    """The one line that says why."""
    assert main.main(words) == 2
    return capsys.readouterr().err


@pytest.mark.slow
def test_it_prints_the_start_the_bound_and_a_picture(capsys):
    text = printed(capsys, *LAKE)
    assert "value of the start  0.18047" in text
    assert "guaranteed error" in text
    assert "truncates episodes after 100 steps" in text
    picture = text.split("policy")[1].splitlines()
    assert "values" in picture[0]
    rows = [line.split() for line in picture[1:5]]
    assert rows[1][1] == rows[3][0] == "H"
    assert rows[3][3] == "G"
    assert rows[0][-4] == "0.180"


def test_a_bound_that_was_not_reached_is_a_failure(capsys):
    assert main.main([*LAKE, "--max_iterations", "3"]) == 1
    output = capsys.readouterr()
    assert "NOT converged: the cap of max_iterations=3" in output.out
    assert "warning" in output.err


@pytest.mark.slow
def test_it_writes_numbers_a_picture_and_a_policy_that_acts(capsys, tmp_path):
    files = {name: tmp_path / name for name in ("lake.json", "lake.png", "lake")}
    written = ["--json", "lake.json", "--plot", "lake.png", "--out", "lake"]
    words = [str(files.get(word, word)) for word in written]
    assert str(tmp_path) in printed(capsys, *LAKE, *words)
    found = json.loads(files["lake.json"].read_text())
    assert found["start_value"] == pytest.approx(0.1804715784, abs=1e-7)
    assert files["lake.png"].read_bytes().startswith(b"\x89PNG")
    arrays = np.load(files["lake"] / "solution.npz", allow_pickle=False)
    np.testing.assert_allclose(arrays["values"], found["values"])
    agent = upslope.load(files["lake"])
    actions = [int(agent.predict(np.int64(state))[0]) for state in range(16)]
    assert actions == found["policy"]
    assert json.loads((files["lake"] / "solution.json").read_text())["method"] == found["method"]


@pytest.mark.slow
def test_settings_of_environments_and_methods_are_flags(capsys):
    words = ("--gamma", "0.9", "--sweeps", "gauss-seidel")
    text = printed(
        capsys, "solve", "FrozenLake-v1", "value-iteration", *words, "--env.is_slippery", "false"
    )
    assert "value-iteration, gauss-seidel sweeps" in text
    assert "value of the start  0.59049" in text
    text = printed(capsys, "solve", "garnet", "value-iteration", "--env.n_states", "16")
    assert "states              16" in text


@pytest.mark.slow
def test_what_cannot_be_solved_is_refused(capsys):
    assert "needs an environment" in refused(capsys, "solve")
    assert "is a method" in refused(capsys, "solve", "policy-iteration")
    assert "Did you mean 'policy-iteration'" in refused(capsys, "solve", "garnet", "policy-iter")
    assert "without a finite table" in refused(capsys, "solve", "CartPole-v1")
    assert "at most 1" in refused(capsys, "solve", "garnet", "value-iteration", "--gamma", "2")
    assert "no grid world" in refused(capsys, "solve", "garnet", "--plot", "x.png")
    assert "must end with" in refused(capsys, "solve", "dyna-maze", "--plot", "x.txt")
    assert "needs a horizon" in refused(capsys, "solve", "garnet", "backward-induction")
    error = refused(capsys, "train", "FrozenLake-v1", "policy-iteration")
    assert "upslope solve FrozenLake-v1 policy-iteration" in error


def test_show_draws_the_solution_of_a_grid_world(capsys):
    text = printed(capsys, "show", "FrozenLake-v1")
    assert "Solved, gamma = 0.99 (upslope solve FrozenLake-v1)" in text
    assert "0.542" in text
    assert "Solved" not in printed(capsys, "show", "Taxi-v4")
