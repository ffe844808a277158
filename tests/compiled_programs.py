"""The memory mappings of compiled programs, which the system counts.

Linux grants a process 65,530 mappings (vm.max_map_count). A compiled program holds about three for
as long as JAX's caches know it, so thousands of tests in one process come near. Where a mapping is
refused, LLVM cannot place its code ("Cannot allocate memory") and XLA ends the process by a
segmentation fault.
"""

import gc
from pathlib import Path

import jax

from upslope.engine import kept_programs

LISTING = Path("/proc/self/maps")


def mappings() -> int:
    """Memory mappings of this process; 0 where the system does not list them."""
    return LISTING.read_bytes().count(b"\n") if LISTING.exists() else 0


def keep_below(limit: int) -> bool:
    """Above `limit` mappings, let go of all programs that only JAX's caches hold.

    Returns whether it did. What is needed again is compiled again.
    """
    if mappings() <= limit:
        return False
    kept_programs.clear()
    jax.clear_caches()
    gc.collect()
    return True
