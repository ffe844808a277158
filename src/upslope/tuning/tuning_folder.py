"""The folder of a tuning: what was asked, the trials, the fresh runs and the preset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upslope.core.checks import StorageError
from upslope.storage import atomic
from upslope.storage.json_text import parse_json, to_plain
from upslope.training.config import RunConfig
from upslope.training.config_file import write_config
from upslope.training.run_folder import flat

ASKED, JOURNAL, PRESET = "tuning.json", "trials.journal", "preset.yaml"


def open_folder(place: Path, asked: Mapping[str, Any]) -> bool:
    """Makes the folder, or finds it with a tuning of the same question in it.

    Args:
      place: the folder.
      asked: plain values: environment, method, settings, ranges, seeds.

    Returns:
      Whether there was one.

    Raises:
      StorageError: it holds something else, or cannot be written.
    """
    path = place / ASKED
    text = json.loads(json.dumps(to_plain(dict(asked), "tuning"), allow_nan=False))
    try:
        if path.is_file():
            found = parse_json(path.read_bytes(), str(path))
            began, now = flat(found), flat(text)
            different = [
                f"{name} ({began.get(name, 'not there')}, now {now.get(name, 'not there')})"
                for name in sorted({*began, *now})
                if name not in began or name not in now or began[name] != now[name]
            ]
            if different:
                raise StorageError(
                    f"{place} holds a tuning that differs in {', '.join(different)}: its trials "
                    "cannot be gone on with. Choose another folder with --out."
                )
            return True
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise StorageError(f"{place} is not empty. Choose another folder with --out.")
    except OSError as error:
        raise StorageError(f"Could not open {place}: {error.strerror or error}.") from error
    atomic.write_json(path, text)
    return False


def write_preset(place: Path, config: RunConfig) -> Path:
    """The settings of a configuration as a file that `upslope train --config` reads."""
    values: dict[str, Any] = {
        "environment": config.environment,
        "env": config.environment_settings,
        "method": config.method,
        "preset": False,
        "total_timesteps": config.total_timesteps,
        "objective": config.objective,
        **config.objective_settings,
        "policy": config.policy,
        **config.policy_settings,
        **config.method_settings,
    }
    optional = {"env": {}, "policy": None}
    kept = {k: v for k, v in values.items() if k not in optional or v != optional[k]}
    write_config(place / PRESET, kept)
    return place / PRESET
