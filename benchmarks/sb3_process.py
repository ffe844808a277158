"""Stable-Baselines3 with rl-zoo's settings, as a whole process, until solved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import whole_process

PEERS = Path(__file__).parent / "peers"


def until_solved(python: str, script: str, *, seed: int, threads: int) -> dict[str, Any]:
    """One run; it stops at its third good evaluation in a row, the last over held-out episodes.

    Args:
      python: the interpreter.
      script: a file in `peers/`.
      seed: of the run.
      threads: that torch may use.
    """
    command = [python, str(PEERS / script), "--seed", str(seed), "--threads", str(threads)]
    process = whole_process.run(command)
    record = {**process.json(), **process.row()}
    # Its evaluations belong to the protocol, not to the search: the strict comparison omits them.
    without = record["process_wall_seconds"] - record["evaluation_seconds"]
    return {**record, "process_wall_seconds_without_evaluation": round(without, 3)}
