"""What the command does to its own process, and a library call never does."""

from __future__ import annotations

from upslope.core.checks import check_number
from upslope.core.small_loops import FUNCTION_LOOP_BYTES, ask_for_small_loops
from upslope.engine.devices import prepare


def configure(
    seeds: int | None = None, *, populations: bool = False, devices: int | None = None
) -> None:
    """Sets this process up for fast runs: call it before JAX starts, or not at all.

    One host device per core that seeds can share, small loops compiled as one function (an XLA
    flag), and compiled programs kept between processes in the user's cache folder. What has been
    decided already stays: a backend that has started, `JAX_NUM_CPU_DEVICES`,
    `JAX_COMPILATION_CACHE_DIR`, flags of one's own. The command line calls this for its process;
    `train`, `resume`, `evaluate`, `minimize` and `maximize` read the configuration that they find
    and leave it, the environment variables and the threads of the process alone.

    Args:
      seeds: how many will run side by side; None for as many as there are cores.
      populations: each seed tries populations, which share the cores that seeds leave.
      devices: how many host devices, whatever number of cores there is: as many as a run began
        with make `resume` continue it bit for bit on another machine. None: see above.

    Raises:
      UpslopeError: `seeds` or `devices` is no whole number above 0.
    """
    for name, value in (("seeds", seeds), ("devices", devices)):
        if value is not None:
            check_number("configure()", name, value, at_least=1, integer=True)
    ask_for_small_loops(FUNCTION_LOOP_BYTES)
    prepare(seeds, populations=populations, devices=devices)
