"""Evaluations that happen elsewhere, and searches that outlive their process."""

from __future__ import annotations

import numpy as np
import pytest

from upslope import AskTell, minimize
from upslope.core.checks import StorageError, UpslopeError

SETTINGS = {"population_size": 8, "n_elites": 3, "episodes_per_candidate": 1}


def f(x):
    return float(np.sum((x - 1.0) ** 2))


def run(search, iterations):
    for _ in range(iterations):
        search.tell([f(x) for x in search.ask()])
    return search


@pytest.mark.slow
def test_by_hand_it_is_the_same_search():
    search = run(AskTell(np.zeros(2), "cem", maximize=False, seed=4, **SETTINGS), 10)
    result = minimize(f, np.zeros(2), "cem", seed=4, budget=80, **SETTINGS)
    np.testing.assert_allclose(search.best[0], result.x, rtol=1e-12)
    assert search.best[1] == pytest.approx(result.fun)
    assert search.iteration == 10


def test_asking_twice_gives_the_same_points():
    search = AskTell(np.zeros(2), "cem", **SETTINGS)
    np.testing.assert_array_equal(search.ask(), search.ask())
    assert len(search.ask()) == 8


@pytest.mark.parametrize("asked", [False, True])
def test_a_search_goes_on_from_its_folder(tmp_path, asked):
    """Bit for bit, killed before or after an ask."""
    whole = run(AskTell(np.zeros(2), "cem", maximize=False, **SETTINGS), 6)
    first = run(AskTell(np.zeros(2), "cem", maximize=False, folder=tmp_path / "s", **SETTINGS), 3)
    if asked:
        first.ask()
    del first
    second = AskTell(np.zeros(2), "cem", maximize=False, folder=tmp_path / "s", **SETTINGS)
    assert second.iteration == 3
    run(second, 3)
    np.testing.assert_array_equal(second.solution, whole.solution)
    np.testing.assert_array_equal(second.best[0], whole.best[0])


def test_a_folder_with_another_search_is_refused(tmp_path):
    run(AskTell(np.zeros(2), "cem", folder=tmp_path / "s", **SETTINGS), 1)
    with pytest.raises(StorageError, match="seed=0, not 1"):
        AskTell(np.zeros(2), "cem", folder=tmp_path / "s", seed=1, **SETTINGS)


def test_a_damaged_save_falls_back_to_the_one_before(tmp_path):
    run(AskTell(np.zeros(2), "cem", folder=tmp_path / "s", **SETTINGS), 3)
    newest = max((tmp_path / "s").glob("step_*"))
    victim = next(newest.glob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-3])
    with pytest.warns(UserWarning, match="damaged"):
        again = AskTell(np.zeros(2), "cem", folder=tmp_path / "s", **SETTINGS)
    assert again.iteration == 2


def test_values_must_fit_the_points():
    search = AskTell(np.zeros(2), "cem", **SETTINGS)
    with pytest.raises(UpslopeError, match="8 points"):
        search.tell([1.0, 2.0])
    with pytest.raises(UpslopeError, match="Nothing has been told"):
        _ = search.best
    search.tell(np.arange(8.0))
    assert search.best[1] == 7.0
    search.tell(np.ones((8, 3)))  # three measurements a point
    assert search.iteration == 2
    search.tell([np.nan] * 8)
    assert search.best[1] == 7.0
    assert search.stopped is None


def test_it_stops_where_double_precision_ends():
    """Around 10^6 steps of 0.01 are lost in single precision, not in double."""
    search = AskTell(np.full(2, 1e6), "xnes", std=0.01, maximize=False)
    search.tell([float(np.sum((x - 1e6) ** 2)) for x in search.ask()])
    assert search.stopped is None


@pytest.mark.parametrize("values", [["a"] * 7, [1j] * 7, [[1, 2], [3]]])
def test_values_that_are_no_numbers_are_refused(values):
    search = AskTell(np.zeros(3), "cma-es")
    with pytest.raises(UpslopeError, match="give 7 real numbers"):
        search.tell(values)
    assert search.iteration == 0


def test_going_on_is_no_reason_for_a_warning(tmp_path, recwarn):
    for _ in range(2):
        search = AskTell(np.zeros(3), "cma-es", folder=tmp_path / "search")
        search.tell([float(x[0]) for x in search.ask()])
    assert search.iteration == 2
    assert not [str(warning.message) for warning in recwarn]
