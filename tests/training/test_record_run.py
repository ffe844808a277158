"""Films show the episodes that `evaluate` plays, of the seeds they say."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
from small_simulators import Drift

import upslope
from small_runs import small_run
from upslope.core.checks import StorageError, UpslopeError
from upslope.training.film import HOLD, Clip, Reel
from upslope.training.record_run import Pace, moments_of, pace_of

Image = pytest.importorskip("PIL.Image")
BUDGET = {"total_timesteps": 300, "evaluations": 1}


@pytest.fixture(scope="module")
def cart_pole(tmp_path_factory):
    """Three seeds that observe normalised observations."""
    folder = tmp_path_factory.mktemp("runs") / "cem"
    return small_run("cem", folder, seeds=3, normalize_observations=True, **BUDGET)


def duration_of(path):
    """Of a GIF, seconds; pictures that do not change are one frame of it."""
    with Image.open(path) as film:
        total = 0.0
        for frame in range(film.n_frames):
            film.seek(frame)
            total += film.info["duration"] / 1000
    return total


@pytest.mark.slow
@pytest.mark.parametrize("deterministic", [True, False])
def test_a_film_is_of_the_episodes_of_evaluate(cart_pole, tmp_path, deterministic):
    choice = {"episodes": 2, "seed": 3, "deterministic": deterministic}
    film = cart_pole.record(tmp_path / "film.gif", max_steps=12, **choice)
    told = cart_pole.evaluate(**choice)
    np.testing.assert_array_equal(film.evaluation.returns, told.returns)
    np.testing.assert_array_equal(film.evaluation.lengths, told.lengths)
    order = np.argsort(-cart_pole.returns, kind="stable").tolist()
    assert film.seeds == tuple(order)
    assert film.headings[0] == f"best: seed {order[0]}"
    assert film.headings[1:] == (f"median: seed {order[1]}", f"worst: seed {order[2]}")
    assert film.seconds == pytest.approx(duration_of(film.files[0]), abs=0.03)
    assert film.seconds <= 2 * (7 / 25 + HOLD) + 0.01
    assert "data:image/gif;base64," in film._repr_html_()
    assert f"seed {order[0]}" in repr(film)


@pytest.mark.slow
def test_without_a_file_the_films_are_in_the_run_folder(cart_pole):
    film = upslope.record(cart_pole.folder, max_steps=3)
    assert {path.name for path in film.files} <= {"film.gif", "film.mp4"}
    assert all(path.parent == cart_pole.folder for path in film.files)
    assert cart_pole.folder / "film.gif" in film.files
    assert upslope.Run.load(cart_pole.folder).config == cart_pole.config


@pytest.mark.slow
def test_a_policy_with_memory_on_a_simulator_that_draws_nothing(tmp_path):
    make = functools.partial(Drift, shortest=4, longest=6)
    folder = tmp_path / "run"
    small_run(
        "cem", folder, environment=make, hidden=(8, 4), policy="recurrent", workers=0, **BUDGET
    )
    film = upslope.record(folder, tmp_path / "a.gif", episodes=2, environment=make)
    told = upslope.evaluate(folder, episodes=2, environment=make)
    np.testing.assert_array_equal(film.evaluation.returns, told.returns)
    assert "its observation is plotted over time instead" in film.notes[0]


@pytest.mark.slow
def test_a_simulator_draws_itself(tmp_path):
    folder = tmp_path / "run"
    run = small_run("cem", folder, environment="gymnasium:CartPole-v1", workers=0, **BUDGET)
    film = run.record(tmp_path / "a.gif", max_steps=8)
    np.testing.assert_array_equal(film.evaluation.returns, run.evaluate(episodes=1).returns)
    assert film.notes == ()
    with Image.open(film.files[0]) as shown:
        middle = np.asarray(shown.convert("RGB"))[80:-10, 20:300]
    assert (middle > 250).mean() > 0.8  # Gymnasium draws on white, we do not


@pytest.mark.slow
def test_refusals(cart_pole, tmp_path):
    for wrong, reason in [
        ({"episodes": 0}, "episodes=0"),
        ({"episodes": 21}, "at most 20"),
        ({"fps": 0}, "fps=0"),
        ({"max_steps": 0}, "max_steps=0"),
        ({"out": tmp_path / "film.avi"}, r"\.gif or \.mp4"),
        ({"environment": "Pendulum-v1"}, "same spaces"),
    ]:
        with pytest.raises(UpslopeError, match=reason):
            cart_pole.record(**wrong)
    with pytest.raises(StorageError, match="not a run folder"):
        upslope.record(tmp_path)
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()
    (unfinished / "status.json").write_text(json.dumps({"state": "stopped"}))
    with pytest.raises(StorageError, match=r"no policy yet .*upslope resume"):
        upslope.record(unfinished)
    cart_pole = upslope.Run.load(cart_pole.folder)
    cart_pole.folder = None
    with pytest.raises(UpslopeError, match="wrote no folder"):
        cart_pole.record()


@pytest.mark.parametrize(
    ("pace", "fps", "steps", "found"),
    [
        (50.0, None, 500, (2, 25.0)),  # real time, every second step
        (20.0, None, 200, (1, 20.0)),
        (50.0, None, 6000, (10, 5.0)),  # 600 frames
        (50.0, 10.0, 500, (5, 10.0)),
        (10.0, 30.0, 500, (1, 30.0)),  # three times as fast
    ],
)
def test_films_keep_the_pace_of_the_environment(pace, fps, steps, found):
    assert pace_of(pace, Pace(fps), steps) == found


def test_the_last_moment_is_always_shown():
    assert moments_of(7, 3) == [0, 3, 6, 7]
    assert moments_of(6, 3) == [0, 3, 6]
    assert moments_of(0, 3) == [0]


def test_who_is_done_waits_and_says_the_return():
    picture = Image.new("RGB", (8, 8))

    def clip(times, length):
        returns = [float(time) for time in times]
        return Clip("a", times, returns, float(length), length, lambda k: picture)

    short, long, cut = clip([0, 2], 2), clip([0, 2, 4], 4), clip([0, 2], 9)
    assert short.panel(2, 2).line == "return 2.0 after 2 steps"
    assert short.panel(1, 2).ended is False
    assert clip([0], 0).panel(1, 2).ended is True
    assert long.panel(1, 2).line == "return 2.0 at step 2"
    assert cut.panel(2, 2).line == "return 2.0 at step 2 of 9 (9.0 at the end)"
    reel = Reel("title", [[short, long], [cut]], fps=5)
    assert len(reel) == 3 + 2 + 2 * round(HOLD * 5)
    assert [frame.size for frame in reel[:2]] == [reel[0].size] * 2
