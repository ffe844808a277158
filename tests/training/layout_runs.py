"""Runs on the devices that this process is given: `begin FOLDER`, `resume FOLDER NAME...`."""

from __future__ import annotations

import sys
from pathlib import Path

import jax

import upslope
from small_runs import InterruptAfter, Interruption, small_run
from upslope.training.train import resume

# What is batched together: seeds, a share of a population.
CASES = {
    "ppo": dict(method="ppo", seeds=4, hidden=(40, 40)),
    "cem": dict(method="cem", seeds=1, hidden=(16,), normalize_observations=True),
}


def begin(folder: Path) -> None:
    """Whole runs, and runs that were interrupted."""
    for name, case in CASES.items():
        settings = {k: v for k, v in case.items() if k != "method"}
        small_run(case["method"], folder / name / "whole", **settings)
        try:
            small_run(case["method"], folder / name / "cut", InterruptAfter(2), **settings)
        except Interruption:
            continue
        raise AssertionError("nothing interrupted the run")


def go_on(folder: Path, *names: str) -> None:
    """Resumes interrupted runs as a library call does, and prints what is noted."""
    for name in names:
        reporter = InterruptAfter(1000)
        resume(folder / name / "cut", reporter=reporter)
        print(name, *reporter.notes)


if __name__ == "__main__":
    upslope.configure()  # programs that are compiled once serve both runs of a case
    {"begin": begin, "resume": go_on}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
    print("devices", len(jax.devices()))
