"""Several runs in one page, with the numbers of `compare`."""

from __future__ import annotations

import pytest

import upslope
from pages_reader import PageReader
from small_runs import small_run
from upslope.cli.main import main
from upslope.comparison.comparison import interval_text
from upslope.core.checks import UpslopeError

pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        small_run("cem", root / f"cem-{seed}", seed=seed, total_timesteps=300, evaluations=2)
    return [root / "cem-1", root / "cem-2"]


@pytest.mark.slow
def test_a_page_has_the_numbers_of_the_comparison(runs, tmp_path):
    path = upslope.report(runs, tmp_path / "both.html", film=False, target=400)
    found = PageReader(path.read_text())
    found.check()
    (group,) = upslope.compare(runs, target=400).groups
    for contender in group.contenders:
        assert contender.label in found.text
        for value in contender.aggregates.values():
            assert interval_text(value) in found.text
    first, second = (contender.label for contender in group.contenders)
    assert interval_text(group.improvement[first, second]) in found.text
    assert len(found.of("svg")) == 4
    assert f"upslope report {runs[0]} {runs[1]}" in found.text


@pytest.mark.slow
def test_labels_and_unlike_runs(runs, tmp_path):
    other = tmp_path / "other"
    small_run("cem", other, total_timesteps=400, evaluations=2)
    path = upslope.report({"first": runs[0], "longer": other}, tmp_path / "x", film=False)
    text = PageReader(path.read_text()).text
    assert "longer cannot be compared with first: total timesteps 400, not 300." in text
    assert "CartPole-v1, 300 steps" in text
    assert "CartPole-v1, 400 steps" in text


@pytest.mark.slow
def test_the_command_writes_pages(runs, tmp_path, capsys):
    out = tmp_path / "page.html"
    words = ["report", str(runs[0]), "--no-film", str(runs[1]), "--out", str(out)]
    assert main(words) == 0
    assert f"wrote    {out}" in capsys.readouterr().out
    assert "2 runs on CartPole-v1" in out.read_text()
    assert main(["report", str(runs[0]), "--no-film"]) == 0
    assert (runs[0] / "report.html").exists()


@pytest.mark.slow
def test_refusals_of_several(runs):
    with pytest.raises(UpslopeError, match="twice"):
        upslope.report([runs[0], runs[0]], film=False)
    with pytest.raises(UpslopeError, match="got no run"):
        upslope.report([])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("report", "needs a run folder: upslope report RUN"),
        ("report no-such-run", "no-such-run does not exist"),
        ("report CartPole-v1", "is an environment, and upslope report takes a run folder"),
        ("report runs --no-flim", "Did you mean --film"),
    ],
)
def test_refusals(words, reason, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) in (2, 5)
    assert reason in capsys.readouterr().err
