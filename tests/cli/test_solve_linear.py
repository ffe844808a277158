"""`upslope solve` of linear-quadratic systems."""

import json

import pytest

from upslope.cli.main import main


@pytest.mark.slow
def test_the_regulator_and_the_filter_are_printed_and_written(tmp_path, capsys):
    assert main(["solve", "linear-quadratic"]) == 0
    printed = capsys.readouterr().out
    assert "-0.0437309  -0.0125086 -0.00126936" in printed  # Dean et al.
    assert "reward per step     -0.137287" in printed
    file = tmp_path / "solution.json"
    words = ["solve", "linear-quadratic-gaussian", "--gamma", "0.9", "--json", str(file)]
    assert main(words) == 0
    found = json.loads(file.read_text())
    assert found["gamma"] == 0.9
    assert found["value"] < found["value_when_seen"] < 0
    assert len(found["filter_gain"]) == 3
    assert "if it saw" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("linear-quadratic --plot x.png", "has no grid to draw"),
        ("linear-quadratic --gamma 1.5", "gamma"),
        ("linear-quadratic value-iteration", "without a finite table"),
    ],
)
def test_refusals(words, reason, capsys):
    assert main(["solve", *words.split()]) == 2
    assert reason in capsys.readouterr().err
