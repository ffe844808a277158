"""The report of a run says what the run says, and can be sent to anybody."""

from __future__ import annotations

import json
import shlex
import sys

import numpy as np
import pytest

import upslope
from pages_reader import PageReader
from small_runs import small_run
from upslope.cli.train_command import read_request
from upslope.core.checks import StorageError, UpslopeError
from upslope.core.number_text import number
from upslope.training.run_page import run_page
from upslope.training.statistics import bootstrap_interval, interquartile_mean, interval_curve

pytest.importorskip("jinja2")


@pytest.fixture(scope="module")
def ppo(tmp_path_factory):
    """A run of PPO, which measures its gradient, opened from a folder that has to be quoted."""
    folder = tmp_path_factory.mktemp("my runs") / "one run"
    small_run("ppo", folder, total_timesteps=512, evaluations=2)
    return upslope.Run.load(folder)


def section(page, heading):
    """A section by its heading; None where the page has nothing there."""
    found = [one for one in page.sections if one.heading == heading and (one.blocks or one.parts)]
    return found[0] if found else None


@pytest.mark.slow
def test_the_page_of_a_run(ppo):
    path = ppo.report(film=False)
    assert path == ppo.folder / "report.html"
    page = path.read_text()
    assert len(page) < 300_000
    found = PageReader(page)
    found.check()
    centre, low, high = ppo.interval()
    assert f"return {number(centre)} [{number(low)}, {number(high)}]" in found.text
    for text in ("ppo on CartPole-v1, 2 seeds", "Signal-to-noise ratio", "clip_range", "jaxlib"):
        assert text in found.text
    assert not found.of("video")
    assert len(found.of("svg")) > 8


@pytest.mark.slow
def test_the_account_of_times_is_the_run_s(ppo):
    (shares,) = section(run_page(ppo, None), "Where the time went").blocks
    assert sum(bar.share for bar in shares.bars) == pytest.approx(1)
    (search,) = [bar for bar in shares.bars if bar.name == "search"]
    assert search.share == pytest.approx(ppo.summary.times.search / ppo.summary.times.total())


@pytest.mark.slow
def test_the_commands_make_the_run_again(ppo):
    blocks = section(run_page(ppo, None), "Make it again").blocks
    (command,) = [block.text for block in blocks if block.label == "From its folder"]
    words = shlex.split(command)
    assert words[:2] == ["upslope", "train"]
    assert read_request(words[2:]).config == ppo.config
    (settings,) = [block.text for block in blocks if "config.yaml" in block.label]
    assert settings == (ppo.folder / "config.yaml").read_text()


@pytest.mark.slow
def test_a_film_is_in_the_page(ppo, tmp_path):
    pytest.importorskip("PIL")
    path = ppo.report(tmp_path / "new" / "with film")
    assert path.name == "with film.html"
    assert path.stat().st_size < 3e6
    found = PageReader(path.read_text())
    found.check()
    best = int(np.argmax(ppo.returns))
    filmed = ppo.evaluate(episodes=1).returns[best, 0]
    assert f"best: seed {best}: return {filmed:,.1f}" in found.text


@pytest.mark.slow
def test_without_ffmpeg_the_film_is_a_gif(ppo, tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    found = PageReader(ppo.report(tmp_path / "gif.html").read_text())
    found.check()
    films = [image for image in found.of("img") if image["src"].startswith("data:image/gif")]
    assert len(films) == 2
    assert not found.of("video")


@pytest.mark.slow
def test_a_run_that_is_not_done_says_so(ppo, tmp_path):
    import shutil

    folder = tmp_path / "stopped"
    shutil.copytree(ppo.folder, folder)
    shutil.rmtree(folder / "policy")
    for name in ("summary.json", "evaluations.npz"):
        (folder / name).unlink()
    (folder / "status.json").write_text(json.dumps({"state": "stopped"}))
    text = PageReader(upslope.report(folder).read_text()).text
    assert "This run is not finished: its state is stopped. Nothing has been evaluated yet." in text
    assert "There is no film" in text
    assert "upslope resume" in text
    assert "Where the time went" not in text


@pytest.mark.slow
def test_what_a_folder_says_is_escaped(ppo, tmp_path):
    import shutil

    folder = tmp_path / "hostile"
    shutil.copytree(ppo.folder, folder)
    hostile = "<script>alert(1)</script>"
    (folder / "command.txt").write_text(f"upslope train {hostile}\n")
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"said": [hostile]}))
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        config.replace("environment: CartPole-v1", f"environment: 'given:{hostile}'")
    )
    found = PageReader(upslope.report(folder, film=False).read_text())
    found.check()
    assert found.text.count(hostile) > 5


@pytest.mark.slow
def test_refusals(ppo, tmp_path, monkeypatch):
    with pytest.raises(UpslopeError, match=r"must end with \.html, not '\.pdf'"):
        ppo.report(tmp_path / "report.pdf")
    with pytest.raises(StorageError, match="not a run folder"):
        upslope.report(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Could not write the report"):
        ppo.report(tmp_path / "file" / "report.html", film=False)
    lonely = upslope.Run.load(ppo.folder)
    lonely.folder = None
    with pytest.raises(UpslopeError, match="wrote no folder for its report"):
        lonely.report()
    assert lonely.report(tmp_path / "lonely.html").exists()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    before = (ppo.folder / "report.html").exists()
    with pytest.raises(UpslopeError, match=r"pip install 'upslope\[report\]'"):
        ppo.report()
    assert (ppo.folder / "report.html").exists() == before


@pytest.mark.parametrize("seeds", [1, 2, 5, 8])
def test_curves_have_the_intervals_of_single_points(seeds):
    values = np.random.default_rng(seeds).normal(size=(3, seeds))
    centre, low, high = interval_curve(values)
    for k, row in enumerate(values):
        assert centre[k] == pytest.approx(interquartile_mean(row))
        np.testing.assert_allclose((low[k], high[k]), bootstrap_interval(row))
