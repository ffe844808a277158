"""What a run said and where its time went is in its folder, and opens again."""

from __future__ import annotations

import json

import numpy as np
import pytest

import upslope
from small_runs import InterruptAfter, Interruption, small_run
from upslope.engine.progress import Times
from upslope.training.account import Account


def test_times_add_up_and_notes_are_said_once():
    first = Account().after(Times(compile=1.0, search=2.0), ["a", "a"], ["end", "a"])
    assert first.notes == ["a", "end"]
    both = first.after(Times(search=3.0), ["b"], ["other end"], np.array([1.0, np.nan]))
    assert both.times == Times(compile=1.0, search=5.0)
    assert both.notes == ["a", "b", "other end"]
    back = Account.from_dict(json.loads(json.dumps(both.to_dict()).replace("NaN", "null")))
    assert back.times == both.times
    assert back.notes == both.notes
    np.testing.assert_array_equal(back.best_seen, both.best_seen)


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"times": 3, "said": "text", "closing": None, "best_seen": "x"},
        {"times": {"search": -1, "compile": "1", "imports": True}, "said": [1], "best_seen": ["a"]},
    ],
)
def test_nonsense_is_left_out(table):
    found = Account.from_dict(table)
    assert found == Account()


@pytest.mark.slow
def test_a_folder_tells_of_all_processes(tmp_path):
    with pytest.raises(Interruption):
        small_run("cem", tmp_path / "run", InterruptAfter(2), total_timesteps=1000)
    interrupted = upslope.Run.load(tmp_path / "run").summary
    assert interrupted.times.search > 0
    assert "rounded up" not in " ".join(interrupted.notes)
    run = upslope.resume(tmp_path / "run")
    loaded = upslope.Run.load(tmp_path / "run").summary
    assert loaded.times.search > interrupted.times.search
    assert loaded.times.search == pytest.approx(interrupted.times.search + run.summary.times.search)
    assert set(run.summary.notes) <= set(loaded.notes)
    np.testing.assert_array_equal(loaded.best_seen, run.summary.best_seen)
    (tmp_path / "run" / "summary.json").write_text("{")
    assert upslope.Run.load(tmp_path / "run").summary.times == Times()
    (tmp_path / "run" / "summary.json").unlink()
    assert upslope.Run.load(tmp_path / "run").summary.notes == []
