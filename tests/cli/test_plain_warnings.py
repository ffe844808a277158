"""Warnings of a command are sentences."""

import warnings

import pytest

from upslope.cli.plain_warnings import one_line, say_warnings_plainly


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (UserWarning, "note: the bounds are narrow\n"),
        (RuntimeWarning, "library.py:7: RuntimeWarning: the bounds are narrow\n"),
    ],
)
def test_what_is_said_to_the_user_has_no_place_in_the_code(kind, text):
    assert one_line("the bounds are narrow", kind, "library.py", 7) == text


def test_python_writes_warnings_so(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    say_warnings_plainly()
    assert warnings.formatwarning("a sentence.", UserWarning, "library.py", 7) == (
        "note: a sentence.\n"
    )
