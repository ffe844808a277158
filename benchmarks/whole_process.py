"""One process from start to end: wall time taken from outside, memory from the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core_time import Hooks


class WholeProcess(NamedTuple):
    """What one process took."""

    seconds: float  # wall
    cpu_seconds: float  # user and system, ended children included
    peak_memory_mb: float
    provenance: dict[str, Any]  # load average before, cores that others kept busy
    output: str

    def row(self) -> dict[str, Any]:
        """The numbers, for a result file."""
        return {
            "process_wall_seconds": round(self.seconds, 3),
            "process_cpu_seconds": round(self.cpu_seconds, 3),
            "process_peak_memory_mb": round(self.peak_memory_mb, 1),
            **self.provenance,
        }

    def json(self) -> dict[str, Any]:
        """The last line of the output as JSON."""
        return json.loads(self.output.strip().splitlines()[-1])


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = 3600.0,
) -> WholeProcess:
    """Runs a command with nobody at the terminal.

    The peak memory is the child's own only while this process stays smaller than it: programs that
    call this import neither JAX nor torch.

    Raises:
      RuntimeError: when it fails or takes longer than `timeout` seconds.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        watch, start = Hooks(), time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **(environment or {})},
        )
        guard = threading.Timer(timeout, process.kill)
        guard.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        guard.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu_seconds = usage.ru_utime + usage.ru_stime
        provenance = watch.read(cpu_seconds)
        output.seek(0)
        errors.seek(0)
        if process.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command)} ended with {process.returncode} after {seconds:.0f} s:\n"
                f"{errors.read()[-4000:]}{output.read()[-2000:]}"
            )
        return WholeProcess(seconds, cpu_seconds, usage.ru_maxrss / 1024, provenance, output.read())
