"""`upslope train`, as a whole process, and what its run folder says afterwards."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any

import whole_process


def train(
    upslope: str,
    environment: str,
    method: str | None = None,
    *,
    seeds: int,
    seed: int,
    cache: str | None = None,
    settings: dict[str, Any] | None = None,
    timeout: float = 3600.0,
) -> dict[str, Any]:
    """One run with the preset; the folder it writes is thrown away.

    Args:
      upslope: the command.
      environment: its name.
      method: its name; None for the preset's choice.
      seeds: how many searches side by side.
      seed: of the run.
      cache: folder of JAX's compilation cache; None for the user's.
      settings: further flags.
      timeout: seconds after which it has failed.

    Returns:
      Wall time, memory and load of the process, and the held-out mean return of each seed's
      solution (`held_out_returns`) after `steps` environment steps.
    """
    flags = {"seeds": seeds, "seed": seed, **(settings or {})}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [upslope, "train", environment, *filter(None, [method]), "--out", str(out)]
        for name, value in flags.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        process = whole_process.run(
            command,
            environment=None if cache is None else {"JAX_COMPILATION_CACHE_DIR": cache},
            timeout=timeout,
        )
        policy = json.loads((out / "policy" / "policy.json").read_text())["extra"]
        return {
            "library": "upslope",
            "environment": environment,
            "seeds": seeds,
            "seed": seed,
            "method": policy["method"],
            "steps": policy["steps"],
            "held_out_returns": [round(value, 2) for value in policy["final_returns"]],
            "held_out_return": round(fmean(policy["final_returns"]), 2),
            "settings": settings or {},
            **process.row(),
        }
