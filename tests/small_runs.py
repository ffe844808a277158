"""Small runs that the tests of training share."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from upslope.engine.progress import Silent
from upslope.training.run import Run
from upslope.training.train import train

SMALL = {
    "ppo": dict(n_envs=4, n_steps=32, batch_size=64, n_epochs=2, total_timesteps=1024),
    "reinforce": dict(n_episodes=6, baseline="value", total_timesteps=1200),
    "dqn": dict(
        n_envs=2,
        train_freq=2,
        buffer_size=200,
        learning_starts=64,
        prioritized=True,
        n_step=2,
        total_timesteps=800,
    ),
    "muzero": dict(
        **dict(n_envs=2, train_freq=4, buffer_size=200, learning_starts=64, batch_size=8),
        **dict(unroll_steps=2, n_step=2, hidden_size=4, model_hidden=(4,), n_simulations=3),
        **dict(gradient_steps=2, reanalyze_ratio=0.25, support_size=5, total_timesteps=400),
    ),
    "cem": dict(population_size=6, n_elites=2, episodes_per_candidate=1, total_timesteps=1200),
}


class Interruption(BaseException):
    """Ends a run as a crash would."""


class InterruptAfter(Silent):
    """Calls something at the n-th evaluation."""

    def __init__(self, evaluations: int, action: str = "raise"):
        self.left, self.action = evaluations, action
        self.notes: list[str] = []

    def evaluation(self, evaluation: object) -> None:
        self.left -= 1
        if self.left == 0:
            if self.action == "raise":
                raise Interruption
            os.kill(os.getpid(), {"kill": 9, "terminate": 15, "interrupt": 2}[self.action])

    def note(self, text: str) -> None:
        self.notes.append(text)


def small_run(
    method: str,
    out: Path | None,
    reporter: Silent | None = None,
    environment: str = "CartPole-v1",
    **settings: object,
) -> Run:
    """Two seeds of a method on CartPole with a tiny budget."""
    options = dict(
        seeds=2, hidden=(8,), evaluations=4, evaluation_episodes=2, final_episodes=4, seed=7
    )
    if environment == "gymnasium:CartPole-v1":  # each step of a long episode takes its time
        options["environment_settings"] = {"time_limit": 60}
    return train(
        environment,
        method,
        out=out,
        reporter=reporter,
        use_preset=False,
        **{**options, **SMALL[method], **settings},
    )


@functools.cache
def _made(method: str, evaluations: int | None) -> tempfile.TemporaryDirectory[str]:
    """The folder of a small run that tests share by copying it: running is what takes long."""
    folder = tempfile.TemporaryDirectory()
    if evaluations is None:
        small_run(method, Path(folder.name) / "run")
    else:
        with contextlib.suppress(Interruption):
            small_run(method, Path(folder.name) / "run", InterruptAfter(evaluations))
    return folder


def whole_run(method: str, out: Path) -> None:
    """The folder of a small run that nothing has interrupted."""
    shutil.copytree(Path(_made(method, None).name) / "run", out)
    assert status(out)["state"] == "done"


def cut_run(method: str, out: Path, evaluations: int) -> None:
    """The folder of a small run that ended as a crash would, at its n-th evaluation."""
    shutil.copytree(Path(_made(method, evaluations).name) / "run", out)
    assert status(out)["state"] == "failed"


def written(folder: Path) -> dict[str, object]:
    """Everything a run leaves that must not depend on interruptions."""
    with np.load(folder / "evaluations.npz") as file:
        evaluations = {name: np.nan_to_num(file[name], nan=-9e9).tolist() for name in file.files}
    policy = load_file(folder / "policy" / "policy.safetensors")
    return {
        "policy": {name: value.tolist() for name, value in policy.items()},
        "metrics": (folder / "metrics.jsonl").read_text(),
        "evaluations": evaluations,
    }


def status(folder: Path) -> dict[str, object]:
    """What `status.json` says."""
    return json.loads((folder / "status.json").read_text())
