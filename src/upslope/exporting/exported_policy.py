"""Exports a policy: encodes, compares with `predict`, times, and writes what agrees."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np

from upslope.core.checks import (
    StorageError,
    UpslopeError,
    check_number,
    check_path,
    check_switch,
    missing_extra,
)
from upslope.exporting import FORMATS
from upslope.exporting.agreement import check_agreement
from upslope.exporting.export_result import Export, ExportedFile
from upslope.exporting.exportable import Exportable
from upslope.exporting.format import Call, Format
from upslope.exporting.latency import seconds_per_call
from upslope.exporting.observations import draw_observations
from upslope.storage import atomic
from upslope.training.agent import Agent, load
from upslope.training.run import Run

PolicySource: TypeAlias = Run | Agent | str | Path


def export(
    source: PolicySource,
    folder: str | Path,
    formats: str | Iterable[str] = "numpy",
    *,
    seed_index: int | None = None,
    sampled: bool = False,
) -> Export:
    """Writes a trained policy, with its observation moments, for programs without Upslope.

        upslope.export("runs/CartPole-v1/ppo", "robot", ["numpy", "onnx"], seed_index=2)

    Every file holds the function that `predict(observation, deterministic=True)` computes: what
    the environment shows goes in, an action inside the action space comes out. Each is compared
    with `predict` on 1,000 observations before anything is written.

    Args:
      source: a run, an agent, a run folder or a policy folder.
      folder: where the files go; `policy.py`, `policy.onnx` and `policy.stablehlo` are replaced.
      formats: names of formats: "numpy", "onnx", "stablehlo".
      seed_index: which of the run's seeds; None for the one with the best final evaluation.
      sampled: whether the NumPy file draws its actions where `deterministic` is not given.

    Raises:
      UpslopeError: an unknown format, one that has no form for this policy or whose packages are
        not installed, or a file that would not act as `predict` does.
      StorageError: there is no policy, or the folder cannot be written.
    """
    place = check_path("export()", "folder", folder)
    names = names_of_formats(formats)
    check_switch("export()", "sampled", sampled)
    if sampled and names != ["numpy"]:
        raise UpslopeError(
            f"export() got sampled=True for {', '.join(n for n in names if n != 'numpy')}: these "
            "files hold the greedy policy alone. Draw with the NumPy file (--format numpy)."
        )
    kinds: dict[str, Format] = {name: cast(Format, FORMATS.get(name)()) for name in names}
    for name, kind in kinds.items():
        check_packages(name, kind)
    agent, seed = agent_of(source, seed_index)
    policy = Exportable(agent, title_of(agent, seed), sampled)
    encoded = {name: kind.encode(policy) for name, kind in kinds.items()}
    calls = {name: kind.decode(encoded[name], policy) for name, kind in kinds.items()}
    agreements = {name: check_agreement(name, call, policy) for name, call in calls.items()}
    make_folder(place)
    files = []
    for name, kind in kinds.items():
        atomic.write_bytes(place / kind.filename, encoded[name])
        one, thousand = latencies(calls[name], policy)
        size = len(encoded[name])
        found = ExportedFile(name, place / kind.filename, size, agreements[name], one, thousand)
        files.append(found)
    own = latencies(lambda batch, state: agent.predict(batch, state, deterministic=True), policy)
    return Export(policy.title, seed, place, tuple(files), *own)


def names_of_formats(formats: str | Iterable[str]) -> list[str]:
    """The names, each once: "numpy,onnx" is two of them.

    Raises:
      UpslopeError: there is none, or one is unknown; the nearest known one is offered.
    """
    given = [formats] if isinstance(formats, str) else list(formats)
    if not all(isinstance(name, str) for name in given):
        raise UpslopeError(
            f"export() got formats={formats!r:.80}: must be names, of {', '.join(FORMATS.names())}."
        )
    words = [word.strip() for name in given for word in name.split(",") if word.strip()]
    names = list(dict.fromkeys(FORMATS.entry(word).name for word in words))
    if not names:
        raise UpslopeError(
            f"export() got no format: name at least one of {', '.join(FORMATS.names())}."
        )
    return names


def check_packages(name: str, kind: Format) -> None:
    """Raises UpslopeError unless what the format needs is installed."""
    for package in kind.packages:
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise missing_extra(f"Exporting to {name}", package, "export")


def agent_of(source: PolicySource, seed_index: int | None) -> tuple[Agent, int | None]:
    """The agent of one seed, and which seed that is."""
    if seed_index is not None:
        check_number("export()", "seed_index", seed_index, at_least=0, integer=True)
    if isinstance(source, Agent):
        if seed_index is not None:
            raise UpslopeError(
                f"export() got seed_index={seed_index} for an agent, which has one policy: leave "
                "it out, or pass the run."
            )
        seed = source.metadata.get("seed")
        return source, seed if isinstance(seed, int) else None
    if isinstance(source, Run):
        index = int(np.argmax(source.returns)) if seed_index is None else seed_index
        agent = source.agent(index)
        agent.metadata.update(
            environment={"name": source.config.environment}, extra={"method": source.config.method}
        )
        return agent, index
    agent = load(check_path("export()", "source", source), seed_index)
    return agent, int(agent.metadata["seed"])


def title_of(agent: Agent, seed: int | None) -> str:
    """A line about a policy: "ppo on CartPole-v1, seed 3"."""
    environment = (agent.metadata.get("environment") or {}).get("name")
    method = (agent.metadata.get("extra") or {}).get("method") or type(agent.policy).__name__
    where = f" on {environment}" if environment else ""
    return f"{method}{where}" + ("" if seed is None else f", seed {seed}")


def latencies(call: Call, policy: Exportable) -> tuple[float, float]:
    """Seconds for one observation and for a batch of 1,000."""
    generator = np.random.default_rng(0)
    found = []
    for n in (1, 1000):
        batch = draw_observations(
            policy.agent.observation_space, n, generator, policy.agent.policy.observation_moments
        )
        found.append(seconds_per_call(lambda batch=batch: call(batch, None)))
    return found[0], found[1]


def make_folder(place: Path) -> None:
    """Creates the folder."""
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Could not create {place}: {error.strerror or error}. Choose another folder."
        ) from error
