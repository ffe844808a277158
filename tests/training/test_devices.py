"""What is asked of XLA before JAX starts."""

from __future__ import annotations

import pytest

from upslope.training.devices import SMALL_LOOPS, ask_for_small_loops


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, SMALL_LOOPS),
        ("--xla_dump_to=/nowhere", f"--xla_dump_to=/nowhere {SMALL_LOOPS}"),
        ("--xla_backend_extra_options=mine=1", "--xla_backend_extra_options=mine=1"),
        (SMALL_LOOPS, SMALL_LOOPS),
    ],
)
def test_small_loops_are_asked_for_and_the_users_flags_stay(monkeypatch, before, after):
    import os

    if before is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", before)
    ask_for_small_loops()
    assert os.environ["XLA_FLAGS"] == after
