"""A whole run by command: train, evaluate, and what is refused afterwards."""

import pytest

from upslope.cli.main import main

SMALL = (
    "CartPole-v1 cem --seeds 2 --total-timesteps 200 --evaluations 1 --evaluation-episodes 2 "
    "--final-episodes 2 --population-size 4 --n-elites 2 --env.time-limit 10"
)


@pytest.mark.slow
def test_train_evaluate_and_refuse(capsys, tmp_path):
    out = tmp_path / "run"
    assert main(["train", *SMALL.split(), "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "cem on CartPole-v1, 2 seeds"
    assert "\x1b" not in text  # no picture where there is no terminal
    assert "95 % bootstrap interval" in text
    for part in ("import", "compile", "search", "evaluation", f"upslope evaluate {out}"):
        assert part in text
    assert "time_limit: 10" in (out / "config.yaml").read_text()

    assert main(["evaluate", str(out), "--episodes", "3"]) == 0
    shown = capsys.readouterr().out
    assert "IQM of 2 seeds" in shown
    lengths = [float(line.split()[4]) for line in shown.splitlines()[2:4]]
    assert 1 <= min(lengths) <= max(lengths) <= 10  # the time limit of the run holds

    assert main(["resume", str(out)]) == 2
    assert "is already complete: nothing to resume" in capsys.readouterr().err
    assert main(["train", *SMALL.split(), "--out", str(out), "--quiet"]) == 5
    assert "is not empty" in capsys.readouterr().err
