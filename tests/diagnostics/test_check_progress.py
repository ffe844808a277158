"""A gradient check shows whose turn it is, where somebody watches."""

import io
import sys
import types

import pytest

from upslope.diagnostics.check_progress import shown
from upslope.diagnostics.gradient_check import gradcheck


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self):
        return True


def told(monkeypatch, stream, progress):
    """What is shown of two turns."""
    monkeypatch.setattr(sys, "stderr", stream)
    with shown(progress) as tell:
        tell("reinforce")
        tell("gpomdp")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "progress", "text"),
    [
        (io.StringIO, None, ""),
        (io.StringIO, False, ""),
        (io.StringIO, True, "reinforce ...\ngpomdp ...\n"),
        (Terminal, False, ""),
        (Terminal, None, "\r\x1b[Kreinforce ...\r\x1b[Kgpomdp ...\r\x1b[K"),
    ],
)
def test_names_are_shown_where_a_person_watches(monkeypatch, stream, progress, text):
    assert told(monkeypatch, stream(), progress) == text


def test_a_notebook_is_a_place_where_a_person_watches(monkeypatch):
    shell = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=1))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    assert "\rreinforce ...\rgpomdp ...   \r" in told(monkeypatch, io.StringIO(), None)


def test_a_check_from_python_says_what_it_is_at(capsys):
    gradcheck("short-corridor", estimators=["reinforce"], episodes=64, progress=True)
    assert capsys.readouterr().err == "reinforce ...\n"
    gradcheck("short-corridor", estimators=["reinforce"], episodes=64)
    assert capsys.readouterr().err == ""
