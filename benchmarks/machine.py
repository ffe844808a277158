"""The machine that the numbers belong to, and the files that keep both together.

Alone (`python benchmarks/machine.py`) it prints the description.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("upslope", "jax", "jaxlib", "equinox", "optax", "gymnasium", "numpy")
PEER_LIBRARIES = (
    "stable-baselines3",
    "torch",
    "gymnasium",
    "rejax",
    "evosax",
    "gymnax",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
)


def describe() -> dict[str, Any]:
    """Processor, cores, memory, system and versions; nothing that names a person or a folder."""
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": versions(LIBRARIES),
        "revision": revision(),
    }


def cpu_model() -> str:
    """The processor's name."""
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the installed ones among some distributions."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def peer_versions(python: str) -> dict[str, str]:
    """Versions in another interpreter's environment."""
    code = f"""
import json, platform
from importlib import metadata
have = {{d.metadata["Name"].lower().replace("_", "-"): d.version for d in metadata.distributions()}}
wanted = {PEER_LIBRARIES!r}
print(json.dumps({{"python": platform.python_version(),
                   **{{name: have[name] for name in wanted if name in have}}}}))
"""
    output = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(output.stdout)


def revision() -> str | None:
    """The commit that was measured; `+` marks sources that differ from it."""
    root = Path(__file__).parent.parent

    def git(*words: str) -> str:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", "src")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def write(name: str, record: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Writes `<name>.json`: the date, the machine, its load now, and the record."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    text = {
        "benchmark": name,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        **record,
    }
    path.write_text(json.dumps(text, indent=1) + "\n")
    return path


if __name__ == "__main__":
    print(json.dumps(describe(), indent=1))
