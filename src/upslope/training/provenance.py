"""What a run ran on: versions, machine and flags. Never environment variables."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from pathlib import Path
from typing import Any

_PACKAGES = ("upslope", "jax", "jaxlib", "numpy", "equinox", "optax", "gymnasium")
_FLAGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_threefry_partitionable",
    "jax_default_prng_impl",
    "jax_num_cpu_devices",
)


def provenance() -> dict[str, Any]:
    """Python, packages, platform, devices, JAX flags and git revision, as plain values.

    It asks JAX for its devices, so it starts JAX if that has not happened.
    """
    import jax

    return {
        "python": platform.python_version(),
        "packages": package_versions(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu_count": os.cpu_count(),
        "devices": [f"{device.platform}:{device.id}" for device in jax.devices()],
        "device_kind": jax.devices()[0].device_kind,
        "jax_flags": {flag: getattr(jax.config, flag, None) for flag in _FLAGS},
        "git_revision": git_revision(Path.cwd()),
    }


def package_versions() -> dict[str, str | None]:
    """The versions of the packages that decide a run's numbers; None where one is missing."""
    return {name: _version(name) for name in _PACKAGES}


def command_line() -> str:
    """The command of this process, quoted for a shell."""
    program = Path(sys.argv[0])
    # `python -m upslope` is the command by another way.
    module = program.name == "__main__.py" and program.parent.name == "upslope"
    return shlex.join(["upslope" if module else program.name, *sys.argv[1:]])


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_revision(folder: Path) -> str | None:
    """The commit checked out around `folder`, read from git's files; None outside a repository."""
    for parent in (folder, *folder.parents):
        git = parent / ".git"
        if git.exists():
            try:
                return _head(git)
            except (OSError, ValueError):
                return None
    return None


def _head(git: Path) -> str | None:
    if git.is_file():  # a worktree or a submodule
        git = git.parent / _text(git).removeprefix("gitdir:").strip()
    head = _text(git / "HEAD")
    if not head.startswith("ref:"):
        return _sha(head)
    name = head.removeprefix("ref:").strip()
    if not re.fullmatch(r"refs/[\w./-]+", name) or ".." in name:
        return None
    common = git / "commondir"
    shared = git / _text(common) if common.is_file() else git
    for root in (git, shared):
        if (root / name).is_file():
            return _sha(_text(root / name))
    for line in _text(shared / "packed-refs").splitlines():
        if line.endswith(f" {name}"):
            return _sha(line.split()[0])
    return None


def _text(path: Path) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read(1 << 22).strip()


def _sha(text: str) -> str | None:
    return text if re.fullmatch(r"[0-9a-f]{40,64}", text) else None
