"""`python -m upslope` is the command."""

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "said"), [("--version", 0, "upslope"), ("nothing", 2, "")]
)
def test_the_package_runs_as_the_command(words, code, said):
    done = subprocess.run(
        [sys.executable, "-m", "upslope", words], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code
    assert said in done.stdout
