"""The Python blocks of the pages, and how they are run: each page in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page, in order; a later one goes on where the earlier one stopped."""
    return BLOCK.findall(page.read_text())


def code_lines(program: str) -> int:
    """Lines that are neither empty nor comments."""
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") for line in program.split("\n")
    )


def run(program: str, folder: Path) -> str:
    """What a program prints, warnings being errors.

    Raises:
      AssertionError: with the program's traceback, when it fails.
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=os.environ | {"JAX_NUMPY_RANK_PROMOTION": "raise"},
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
