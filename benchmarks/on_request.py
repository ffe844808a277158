"""Programs that are compiled once and then run when asked: so peers can take turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core_time import Hooks, process_seconds

PEERS = Path(__file__).parent / "peers"


class OnRequest:
    """A waiting program that speaks the protocol of `peers/repeat_on_request.py`.

    Attributes:
      ready: what it said when it was ready: versions, compile time, memory.
      runs: what it said after each run.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.command = " ".join(command)
        self.ready = self._read("ready")
        self.runs: list[dict[str, Any]] = []

    def run(self, number: int) -> dict[str, Any]:
        """Asks for one run and waits for its end."""
        assert self.process.stdin is not None
        watch, used = Hooks(), process_seconds(self.process.pid)
        print(number, file=self.process.stdin, flush=True)
        record = self._read("run")
        cpu_seconds = process_seconds(self.process.pid) - used
        provenance = watch.read(cpu_seconds)
        self.runs.append({**record, "cpu_seconds": round(cpu_seconds, 2), **provenance})
        return self.runs[-1]

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=60)

    def _read(self, event: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                record = json.loads(line)
                if record.pop("event") == event:
                    return record
        raise RuntimeError(f"{self.command} ended with {self.process.wait()}: no {event!r} line.")


def in_turns(programs: Mapping[str, OnRequest], repeats: int) -> None:
    """Runs each program `repeats` times, one at a time, the first one first in each round."""
    for number in range(repeats):
        for name, program in programs.items():
            record = program.run(number)
            print(
                f"  {name} {number}: {record['steps_per_second']:,.0f} steps/s "
                f"({record['steps'] / record['cpu_seconds']:,.0f} per core second, "
                f"others on {record['other_cores']} cores)",
                flush=True,
            )
