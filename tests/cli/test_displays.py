"""What progress looks like: lines, a picture that fits, small numbers, the final table."""

import dataclasses
import io
import shlex

import numpy as np
import pytest
from rich.console import Console

from upslope.cli.summary import print_summary
from upslope.core.number_text import curve, duration, number, rate, seconds
from upslope.engine.progress import Evaluation, Progress, Summary, Times
from upslope.training.live_display import LiveDisplay
from upslope.training.plain_display import PlainDisplay


def progress(share, seeds=4, total=1000):
    returns = 100.0 * share + np.arange(seeds)
    return Progress(
        steps=np.full(seeds, int(share * total)),
        total_timesteps=total,
        iterations=np.full(seeds, 3),
        returns=np.where(np.arange(seeds) == 0, np.nan, returns),
        lengths=returns,
        diagnostics={f"diagnostic_{i}": np.full(seeds, 0.25 * i) for i in range(9)},
        elapsed=61.0,
        steps_per_second=12_345.0,
        remaining=122.0,
    )


def evaluation(seeds=4, episodes=5):
    returns = np.arange(seeds, dtype=float)[:, None] * 100 + np.arange(episodes)
    return Evaluation(np.full(seeds, 1000), returns, np.full((seeds, episodes), 50))


def run_through(display, seeds=4):
    with display:
        display.phase("compiling")
        display.phase("searching")
        for share in np.linspace(0.01, 1.0, 100):
            display.progress(progress(share, seeds))
        display.phase("evaluating")
        display.evaluation(evaluation(seeds))
        display.note("a checkpoint was damaged")


def test_plain_lines_are_few_and_say_how_far_it_is():
    stream = io.StringIO()
    run_through(PlainDisplay("ppo on CartPole-v1, 4 seeds", stream))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "ppo on CartPole-v1, 4 seeds"
    assert 4 <= len(lines) <= 8  # a hundred looks in no time
    assert any("100%" in line and "1,000 steps" in line for line in lines)
    assert any("12.3k steps/s" in line and "left 2:02" in line for line in lines)
    assert "evaluated" in lines[-2]
    assert lines[-1] == "note: a checkpoint was damaged"
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 24)])
@pytest.mark.parametrize("seeds", [1, 4, 8, 64])
def test_the_picture_fits_the_terminal(width, height, seeds):
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=True, width=width, height=height, color_system=None
    )
    display = LiveDisplay("ppo on CartPole-v1", console)
    run_through(display, seeds)
    with console.capture() as shown:
        console.print(display.picture())
    lines = shown.get().rstrip("\n").splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) < height
    text = shown.get()
    assert "100%" in text
    assert ("IQM" in text) == (seeds > 1)
    assert ("median" in text) == (seeds > 8)
    assert "diagnostic_8 2" in text


def test_the_picture_keeps_a_bounded_history():
    display = LiveDisplay("a", Console(file=io.StringIO(), force_terminal=True))
    for share in np.linspace(0, 1, 5000):
        display.progress(progress(share))
    assert 256 <= len(display._returns) <= 513
    assert display._returns[0][1] == pytest.approx(1.0)
    assert display._returns[-1][1] > 99.0


def test_the_final_table_has_returns_interval_times_and_what_next(capsys):
    summary = Summary(
        "done", np.full(4, 1000), evaluation(), Times(1.0, 2.0, 4.0, 0.5), "runs/there"
    )
    print_summary(summary, "ppo on CartPole-v1, 4 seeds", Console(highlight=False, width=80))
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0].strip() == "ppo on CartPole-v1, 4 seeds"
    assert [line.split()[1] for line in lines[2:6]] == ["2.00", "102.0", "202.0", "302.0"]
    # interquartile mean of 2, 102, 202, 302; the interval spans seeds, not episodes
    assert "return   152.0 [" in text
    assert "95 % bootstrap interval" in text
    assert "4,000 of all seeds, 1k per second" in text
    assert "7.5 s: import 1.0 s, compile 2.0 s, search 4.0 s, evaluation 0.5 s" in text
    assert "upslope evaluate runs/there" in text
    print_summary(dataclasses.replace(summary, folder="my runs/it's here"), "ppo")
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("next "))
    assert shlex.split(line)[1:] == ["upslope", "evaluate", "my runs/it's here"]
    assert max(map(len, lines)) <= 80


def test_the_best_seen_stands_beside_what_it_is_worth(capsys):
    """Of methods that try candidates; of the others there is no such column."""
    seen = np.array([500.0, 501.0, 502.0, np.nan])
    summary = Summary("done", np.full(4, 1000), evaluation(), Times(), best_seen=seen)
    print_summary(summary, "cem", Console(highlight=False, width=80))
    lines = capsys.readouterr().out.splitlines()
    heads = lines[1].split()
    assert heads[heads.index("best") : heads.index("best") + 2] == ["best", "seen"]
    assert [line.split()[4] for line in lines[2:6]] == ["500.0", "501.0", "502.0", "-"]
    assert max(map(len, lines)) <= 80
    print_summary(dataclasses.replace(summary, best_seen=None), "ppo")
    assert "best seen" not in capsys.readouterr().out


def test_one_seed_has_no_interval(capsys):
    summary = Summary("done", np.full(1, 1000), evaluation(1), Times(), None)
    print_summary(summary, "one")
    text = capsys.readouterr().out
    assert "no interval from one seed" in text
    assert "nan" not in text
    assert "upslope evaluate" not in text


def test_small_numbers():
    assert [number(v) for v in (0, 0.5, 12.345, 123.45, -1234.5, 1e-5, float("nan"))] == [
        "0", "0.500", "12.35", "123.5", "-1,234", "1e-05", "-",
    ]  # fmt: skip
    assert [rate(v) for v in (850, 12345, 1.24e6, 0)] == ["850", "12.3k", "1.24M", "-"]
    assert [duration(v) for v in (5, 725, 10919, float("inf"))] == ["0:05", "12:05", "3:01:59", "-"]
    assert [seconds(v) for v in (0.34, 99.0, 245)] == ["0.3 s", "99.0 s", "4:05 min"]


def test_a_small_curve_is_scaled_and_keeps_its_shape():
    assert curve([0, 1, 2, 3], 0, 3, 10) == "▁▃▆█"
    assert curve([0.0] * 50 + [1.0] * 50, 0, 1, 10) == "▁▁▁▁▁█████"
    assert curve([float("nan"), 1.0], 0, 1, 10) == " █"
    assert curve([2.0, 2.0], 2, 2, 10) == "▅▅"


def test_lines_announce_an_evaluation_that_may_take_long(monkeypatch):
    """The first, of which nothing is known, and those after one that took long."""
    clock = [0.0]
    monkeypatch.setattr("upslope.training.plain_display.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    display = PlainDisplay("it", stream)
    for taken in (0.1, 5.0, 5.0):
        display.phase("evaluating")
        clock[0] += taken
        display.evaluation(Evaluation(np.zeros(2), np.zeros((2, 1)), np.ones((2, 1))))
        display.phase("searching")
    kinds = ["evaluating" if "evaluating" in line else "evaluated" for line in lines_of(stream)]
    assert kinds == ["evaluating", "evaluated", "evaluated", "evaluating", "evaluated"]


def lines_of(stream):
    """What was printed, without the title."""
    return stream.getvalue().splitlines()[1:]
