"""What is asked of XLA before JAX starts."""

from __future__ import annotations

import os

import pytest

from upslope.core.small_loops import (
    ENVIRONMENT_LOOP_BYTES,
    FUNCTION_LOOP_BYTES,
    OPTION,
    ask_for_small_loops,
)

SMALL, LARGE = f"{OPTION}{FUNCTION_LOOP_BYTES}", f"{OPTION}{ENVIRONMENT_LOOP_BYTES}"


@pytest.mark.parametrize(
    ("before", "size", "after"),
    [
        (None, FUNCTION_LOOP_BYTES, SMALL),
        ("--xla_dump_to=/nowhere", ENVIRONMENT_LOOP_BYTES, f"--xla_dump_to=/nowhere {LARGE}"),
        (
            "--xla_backend_extra_options=mine=1",
            ENVIRONMENT_LOOP_BYTES,
            "--xla_backend_extra_options=mine=1",
        ),
        (LARGE, ENVIRONMENT_LOOP_BYTES, LARGE),
        (LARGE, FUNCTION_LOOP_BYTES, LARGE),
        (f"--a=1 {SMALL} --b=2", ENVIRONMENT_LOOP_BYTES, f"--a=1 {LARGE} --b=2"),
    ],
)
def test_small_loops_are_asked_for_and_the_users_flags_stay(monkeypatch, before, size, after):
    if before is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", before)
    ask_for_small_loops(size)
    assert os.environ["XLA_FLAGS"] == after
