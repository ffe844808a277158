"""`upslope compare` and `upslope plot`, as a person types them."""

import json

import pytest

from small_runs import whole_run
from upslope.cli.main import main


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two finished runs in the working folder, the names of which need quotes."""
    monkeypatch.chdir(tmp_path)
    whole_run("ppo", tmp_path / "one run")
    whole_run("reinforce", tmp_path / "two")
    return ["one run", "two"]


@pytest.mark.slow
def test_runs_of_unlike_budgets_are_kept_apart_and_said(runs, capsys):
    assert main(["compare", *runs, "--resamples", "100"]) == 0
    shown = capsys.readouterr().out
    assert "CartPole-v1, 1,024 steps" in shown
    assert "CartPole-v1, 1,200 steps" in shown
    assert "total timesteps" in shown
    assert "Probability of improvement" not in shown


@pytest.mark.slow
def test_numbers_and_a_figure_are_written(runs, tmp_path, capsys):
    whole_run("ppo", tmp_path / "again")
    words = ["compare", "one run", "again", "--json", "--output", "out", "--resamples", "100"]
    pytest.importorskip("matplotlib")
    assert main(words) == 0
    shown = capsys.readouterr()
    numbers = json.loads(shown.out)  # what is written is said elsewhere
    assert "comparison.png" in shown.err
    with open("out/comparison.json") as file:
        assert json.load(file) == numbers
    with open("out/comparison.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    (group,) = numbers["groups"]
    assert len(group["runs"]) == 2
    assert len({run["label"] for run in group["runs"]}) == 2  # told apart


@pytest.mark.slow
def test_curves_are_drawn_of_several_runs(runs, capsys):
    pytest.importorskip("matplotlib")
    words = ["plot", *runs, "--curves", "evaluation", "return", "--output", "both.svg"]
    assert main(words) == 0
    assert capsys.readouterr().out == "wrote    both.svg\n"
    with open("both.svg") as file:
        drawn = file.read()
    assert "<svg" in drawn
    assert "reinforce" in drawn


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["compare"], 2, "upslope compare RUN RUN"),
        (["compare", "two", "two"], 2, "name each run once"),
        (["compare", "nothing"], 5, "nothing does not exist"),
        (["compare", "two", "--resample", "3"], 2, "--resamples"),
        (["plot"], 2, "upslope plot RUN"),
        (["plot", "nothing"], 5, "nothing does not exist"),
        (["plot", "two", "--curves", "retrun"], 2, "Did you mean 'return'"),
        (["plot", "two", "--output", "curves.bmp"], 2, ".png, .svg, .pdf"),
    ],
)
def test_what_cannot_be_shown_is_refused(runs, capsys, words, code, said):
    assert main(words) == code
    assert said in " ".join(capsys.readouterr().err.split())
