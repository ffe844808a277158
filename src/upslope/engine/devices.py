"""Host devices and the compilation cache: decided before JAX starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from jax.sharding import Sharding

from upslope.core.checks import UpslopeError
from upslope.core.machine import machine_memory
from upslope.core.small_loops import ENVIRONMENT_LOOP_BYTES, ask_for_small_loops

T = TypeVar("T")  # a tree of arrays


def prepare(
    seeds: int | None = None, *, populations: bool = False, devices: int | None = None
) -> None:
    """One host device per core that seeds can use, and compiled programs kept between processes.

    Does nothing to what is already decided: a backend that has started keeps its devices, so the
    first run of a process decides for it (call this first to decide otherwise), and
    `JAX_NUM_CPU_DEVICES`, `JAX_COMPILATION_CACHE_DIR` or a cache folder set by the user stay. On a
    machine with an accelerator the host devices are not used.

    Args:
      seeds: how many will run side by side; a single one runs fastest on a single device. None for
        as many as there are cores.
      populations: each seed tries populations, which share the cores that seeds leave.
      devices: how many host devices, whatever number of cores there is; None: see above.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    useful = cores if seeds is None or populations else max(1, min(cores, seeds))
    host_devices = useful if devices is None else devices
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


class DeviceLayout(NamedTuple):
    """How a run is spread over devices: a grid of seeds by shares of each population.

    It decides what is batched together, hence how matrix products round: a run keeps the layout
    that it began with. Host devices are virtual, so a machine with fewer cores can have as many.
    """

    seeds: int  # devices over which the seeds are spread evenly
    population: int  # devices that share the population of each seed

    @property
    def size(self) -> int:
        """How many devices it takes."""
        return self.seeds * self.population

    def devices(self) -> np.ndarray:
        """The first devices of this process as the grid [seeds, population].

        Raises:
          UpslopeError: this process has fewer.
        """
        found = jax.devices()
        if len(found) < self.size:
            raise UpslopeError(
                f"The layout {tuple(self)} takes {self.size} devices; this process has "
                f"{len(found)}. Call upslope.configure(devices={self.size}) before JAX starts."
            )
        return np.asarray(found[: self.size]).reshape(self)


def layout_for(seeds: int, population: int = 1) -> DeviceLayout:
    """The layout of a run that begins in this process: devices that seeds leave over share.

    Args:
      seeds: S, spread evenly over the most devices that divide them.
      population: candidates of an iteration, 1 where there are none.
    """
    count = len(jax.devices())
    rows = max(d for d in range(1, min(seeds, count) + 1) if seeds % d == 0)
    return DeviceLayout(rows, max(min(count // rows, population), 1))


def place_empty(arrays: T, sharding: Sharding) -> T:
    """The same tree with its arrays of no elements where a compiled program wants them.

    JAX hands them back whole, whatever sharding they should have, and then refuses them.
    """
    return jax.tree.map(lambda leaf: leaf if leaf.size else jax.device_put(leaf, sharding), arrays)


def memory_bytes(devices: Iterable[Any]) -> int:
    """Memory of devices, together: their own, or the machine's."""
    owned = [int((device.memory_stats() or {}).get("bytes_limit", 0)) for device in devices]
    return sum(owned) if owned and all(owned) else machine_memory()
