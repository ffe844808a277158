"""The Python blocks of the pages, and how they are run."""

from __future__ import annotations

import json
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


class ProgramRunner:
    """A process that runs programs one after the other: see `run_programs`.

    What they import is imported once, and what one has compiled another need not compile again.
    """

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", Path(__file__).with_name("run_programs.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"JAX_NUMPY_RANK_PROMOTION": "raise"},
        )

    def run(self, program: str, folder: Path, name: str = "<program>") -> str:
        """What a program prints, warnings being errors.

        Args:
          program: its source.
          folder: its working directory.
          name: the page that it is from, named in its traceback.

        Raises:
          AssertionError: with the program's traceback, when it fails.
        """
        asked = {"program": program, "folder": str(folder), "name": name}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{name} ended the process, exit code {self.process.wait()}"
        done = json.loads(answer)
        assert not done["error"], f"{done['output']}\n{done['error']}"
        return done["output"]

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
