"""How a search becomes a fast program on a CPU, at a small price to compile."""

from __future__ import annotations

import re
from typing import Any, Literal, Protocol

import jax
from jax.stages import Compiled

# Options that this version of XLA was found not to have: it drops some and renames others.
_UNKNOWN: set[str] = set()


class Lowered(Protocol):
    """A `jax.stages.Lowered`, as far as compiling it goes."""

    def compile(self, compiler_options: dict[str, Any] | None = None) -> Compiled:
        """The executable."""
        ...


def compiled(lowered: Lowered, *, optimize: Literal["speed", "compile_time"] = "speed") -> Compiled:
    """The executable of a lowered program.

    On CPUs LLVM's first optimisation level is asked for: it takes about half the time and less
    memory than the default, and the programs run as fast (XLA has fused the loops before). Vectors
    may be as wide as the machine has them, where LLVM would keep to half of that.

    Args:
      lowered: the program.
      optimize: `"compile_time"` for what runs only now and then. XLA's older emitters compile it in
        half the time and a tenth of the memory; loops other than matrix products then run two to
        three times slower.
    """
    if jax.default_backend() == "cpu":
        options: dict[str, Any] = {
            "xla_backend_optimization_level": 1,
            "xla_cpu_prefer_vector_width": 512,
        }
        if optimize == "compile_time":
            options["xla_cpu_use_fusion_emitters"] = False
        return _compiled(lowered, options)
    return lowered.compile()


def _compiled(lowered: Lowered, options: dict[str, Any]) -> Compiled:
    """The executable, compiled with those of the options that this version of XLA has.

    They change how long compiling takes and how fast the program is, never its meaning: one that
    is missing is left out. XLA names it before it begins to compile.
    """
    known = {name: value for name, value in options.items() if name not in _UNKNOWN}
    try:
        return lowered.compile(compiler_options=known)
    except RuntimeError as error:  # what XLA raises is one
        missing = re.search(r"No such compile option: '(\w+)'", str(error))
        if missing is None or missing[1] not in known:
            raise
        _UNKNOWN.add(missing[1])
        return _compiled(lowered, options)


# A policy with more numbers than this spends its time in matrix products.
MATRIX_BOUND = 1000


def batches_seeds(seeds: int, parameters: int, *, sequential: bool = False) -> bool:
    """Whether the seeds of one device are vmapped; else they run one after the other.

    Small policies are bound by the number of operations, so their seeds are vmapped into the same
    ones. Networks are bound by matrix products, and XLA's CPU backend multiplies plain matrices
    faster than batches of them, one matrix per seed: their seeds are sequential (which compiles
    faster, too, and lets no seed wait for another's longer episodes).

    Args:
      seeds: how many the device has.
      parameters: how many numbers a policy has.
      sequential: never vmap. Several batched LAPACK calls in one program can wait for each other,
        and writes by index become scatters.
    """
    return seeds > 1 and parameters <= MATRIX_BOUND and not sequential
