"""Host devices and the compilation cache: decided before JAX starts."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Sharding

from upslope.core.small_loops import ENVIRONMENT_LOOP_BYTES, ask_for_small_loops

T = TypeVar("T")  # a tree of arrays


def prepare(seeds: int | None = None, *, populations: bool = False) -> None:
    """One host device per core that seeds can use, and compiled programs kept between processes.

    Does nothing to what is already decided: a backend that has started keeps its devices, so the
    first run of a process decides for it (call this first to decide otherwise), and
    `JAX_NUM_CPU_DEVICES`, `JAX_COMPILATION_CACHE_DIR` or a cache folder set by the user stay. On a
    machine with an accelerator the host devices are not used.

    Args:
      seeds: how many will run side by side; a single one runs fastest on a single device. None for
        as many as there are cores.
      populations: each seed tries populations, which share the cores that seeds leave.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    host_devices = cores if seeds is None or populations else max(1, min(cores, seeds))
    asked = "JAX_NUM_CPU_DEVICES" in os.environ or "host_platform_device_count" in os.environ.get(
        "XLA_FLAGS", ""
    )
    if not asked:
        with contextlib.suppress(RuntimeError):  # JAX has started: its devices stay as they are
            jax.config.update("jax_num_cpu_devices", host_devices)
    ask_for_small_loops(ENVIRONMENT_LOOP_BYTES)
    cache = jax.config.jax_compilation_cache_dir  # pyright: ignore
    if cache is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_folder() -> Path:
    """Where compiled programs are kept: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "upslope" / "jax"


def devices_for(seeds: int) -> list[Any]:
    """The most devices over which that many seeds divide evenly."""
    devices = jax.devices()
    count = max(d for d in range(1, min(seeds, len(devices)) + 1) if seeds % d == 0)
    return devices[:count]


def devices_for_populations(seeds: int, population: int) -> np.ndarray:
    """Devices [seeds, population]: seeds are spread first, and what is left shares populations.

    Args:
      seeds: how many run side by side.
      population: candidates of an iteration, 1 where there are none.
    """
    devices = jax.devices()
    rows = len(devices_for(seeds))
    columns = max(min(len(devices) // rows, population), 1)
    return np.asarray(devices[: rows * columns]).reshape(rows, columns)


def place_empty(arrays: T, sharding: Sharding) -> T:
    """The same tree with its arrays of no elements where a compiled program wants them.

    JAX hands them back whole, whatever sharding they should have, and then refuses them.
    """
    return jax.tree.map(lambda leaf: leaf if leaf.size else jax.device_put(leaf, sharding), arrays)
