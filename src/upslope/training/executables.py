"""How a search becomes a fast program on a CPU, at a small price to compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import Array


def compiled(lowered: Any) -> Any:
    """The executable of a lowered program.

    On CPUs LLVM's first optimisation level is asked for: it takes about half the time and less
    memory than the default, and the programs run as fast (XLA has fused the loops before). Vectors
    may be as wide as the machine has them, where LLVM would keep to half of that.
    """
    if jax.default_backend() == "cpu":
        return lowered.compile(
            compiler_options={
                "xla_backend_optimization_level": 1,
                "xla_cpu_prefer_vector_width": 512,
            }
        )
    return lowered.compile()


def over_seeds(function: Callable[..., Any], seeds: int) -> Callable[..., Any]:
    """`function(numbers, key, index, carry)` for the seeds of one device: vmapped over the last.

    A single seed is not vmapped: XLA's CPU backend multiplies plain matrices about twice as fast as
    batches of one.
    """
    if seeds > 1:
        return jax.vmap(function, in_axes=(None, None, 0, 0))

    def alone(numbers: Any, key: Array, index: Array, carry: Any) -> Any:
        out = function(numbers, key, *jax.tree.map(lambda leaf: leaf[0], (index, carry)))
        return jax.tree.map(lambda leaf: leaf[None], out)

    return alone
