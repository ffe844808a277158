"""What a call from Python shows: a picture where a person watches, the log elsewhere."""

import io
import logging
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from small_runs import small_run
from upslope.engine.progress import Evaluation, Silent
from upslope.training import watching
from upslope.training.config import RunConfig
from upslope.training.live_display import LiveDisplay
from upslope.training.logging_reporter import LoggingReporter
from upslope.training.notebook_display import NotebookDisplay
from upslope.training.plain_display import PlainDisplay
from upslope.training.watching import ShownAndLogged, in_notebook, watched

CONFIG = RunConfig("CartPole-v1", "ppo", seeds=1)


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self):
        return True


class Writer:
    """What people put in the place of standard output, to have it in a file, too."""

    def write(self, text):
        pass


def shown_by(reporter):
    """The class of what shows a run, the logger's where nothing does."""
    return type(getattr(reporter, "_display", reporter))


@pytest.mark.parametrize(
    ("place", "progress", "display"),
    [
        ("pipe", None, LoggingReporter),
        ("pipe", True, PlainDisplay),
        ("nothing", None, LoggingReporter),
        ("writer", None, LoggingReporter),
        ("dumb", None, LoggingReporter),
        ("dumb", True, PlainDisplay),
        ("terminal", None, LiveDisplay),
        ("terminal", True, LiveDisplay),
        ("terminal", False, LoggingReporter),
        ("notebook", None, NotebookDisplay),
        ("notebook", True, NotebookDisplay),
        ("notebook", False, LoggingReporter),
    ],
)
def test_who_is_told(place, progress, display, monkeypatch):
    monkeypatch.setenv("TERM", "dumb" if place == "dumb" else "xterm")
    terminal = place in ("terminal", "dumb")
    stdout = {"nothing": None, "writer": Writer()}.get(place, io.StringIO())
    monkeypatch.setattr(sys, "stdout", Terminal() if terminal else stdout)
    monkeypatch.setattr(watching, "in_notebook", lambda: place == "notebook")
    with watched(None, progress, CONFIG) as reporter:
        assert shown_by(reporter) is display
    own = Silent()
    with watched(own, True, CONFIG) as reporter:
        assert reporter is own


def test_a_notebook_is_known_by_its_kernel(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


class Cell:
    """The output of a notebook's cell."""

    def __init__(self):
        self.shown, self.updates = "", 0

    def display(self, html, display_id):
        assert display_id
        self.shown = html
        return self

    def update(self, html):
        self.shown, self.updates = html, self.updates + 1


def test_a_cell_shows_the_picture_and_the_notes(monkeypatch):
    cell = Cell()
    module = SimpleNamespace(HTML=str, display=cell.display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    with NotebookDisplay(CONFIG.title) as display:
        display.phase("compiling")
        assert "compiling" in cell.shown
        display.note("a <b>note</b>")
    text = re.sub("<[^>]*>", "", cell.shown)
    assert "ppo on CartPole-v1, 1 seed" in text
    assert "note: a &lt;b&gt;note&lt;/b&gt;" in text
    assert cell.updates == 1
    assert cell.shown.count("<pre") == 1


@pytest.mark.slow
def test_a_run_with_lines(tmp_path, capsys):
    small_run("cem", None, total_timesteps=200, evaluations=2, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cem on CartPole-v1, 2 seeds"
    assert "compiling ..." in lines
    assert any("evaluated" in line for line in lines)
    small_run("cem", None, total_timesteps=200, evaluations=2)
    assert capsys.readouterr().out == ""


def test_notes_are_logged_where_somebody_listens(monkeypatch, caplog):
    """Without a handler Python prints them once more."""
    lines = io.StringIO()
    reporter = ShownAndLogged(PlainDisplay("it", lines))
    with caplog.at_level(logging.INFO):
        reporter.note("one")
        reporter.evaluation(Evaluation(np.zeros(1), np.ones((1, 2)), np.ones((1, 2), int)))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    monkeypatch.setattr(watching.LOGGER, "hasHandlers", lambda: False)
    caplog.clear()
    reporter.note("two")
    assert caplog.records == []
    assert "note: one" in lines.getvalue()
    assert "note: two" in lines.getvalue()
