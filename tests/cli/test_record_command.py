"""`upslope record`: flags as arguments, and refusals before any work."""

from __future__ import annotations

import pytest

from upslope.cli.main import main
from upslope.cli.record_command import arguments
from upslope.core.checks import UpslopeError


def test_flags_become_arguments():
    assert arguments({"sampled": True, "episodes": 2}) == {"episodes": 2, "deterministic": False}
    assert arguments({"deterministic": True, "env": "X"}) == {
        "deterministic": True,
        "environment": "X",
    }
    assert arguments({"sampled": True, "deterministic": False}) == {"deterministic": False}
    with pytest.raises(UpslopeError, match="choose one"):
        arguments({"sampled": True, "deterministic": True})


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("record", "needs a run folder: upslope record RUN"),
        ("record no-such-run", "no-such-run does not exist"),
        ("record CartPole-v1", "is an environment, and upslope record takes a run folder"),
        ("record runs --episods 3", "Did you mean --episodes"),
        ("record runs --episodes many", "--episodes got 'many'"),
    ],
)
def test_refusals(words, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) in (2, 5)
    assert reason in capsys.readouterr().err
