"""How a search becomes a fast program on a CPU, at a small price to compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
from jax import Array


def compiled(lowered: Any, *, seldom: bool = False) -> Any:
    """The executable of a lowered program.

    On CPUs LLVM's first optimisation level is asked for: it takes about half the time and less
    memory than the default, and the programs run as fast (XLA has fused the loops before). Vectors
    may be as wide as the machine has them, where LLVM would keep to half of that.

    Args:
      lowered: the program.
      seldom: it runs only now and then. XLA's older emitters compile it in half the time and a
        tenth of the memory; loops other than matrix products then run two to three times slower.
    """
    if jax.default_backend() == "cpu":
        options: dict[str, Any] = {
            "xla_backend_optimization_level": 1,
            "xla_cpu_prefer_vector_width": 512,
        }
        if seldom:
            options["xla_cpu_use_fusion_emitters"] = False
        return lowered.compile(compiler_options=options)
    return lowered.compile()


# A policy with more numbers than this spends its time in matrix products.
MATRIX_BOUND = 1000


def over_seeds(
    function: Callable[..., Any], seeds: int, parameters: int, *, in_turn: bool = False
) -> Callable[[Any, Array, Array, Any], Any]:
    """`function(numbers, key, index, carry)` for the seeds of one device, over the last two.

    Small policies are bound by the number of operations, so their seeds are vmapped into the same
    ones. Networks are bound by matrix products, and XLA's CPU backend multiplies plain matrices
    faster than batches of them, one matrix a seed: their seeds take turns (which compiles faster,
    too, and lets no seed wait for another's longer episodes).

    Args:
      function: of one seed.
      seeds: how many the device has.
      parameters: how many numbers a policy has.
      in_turn: never vmap. Several batched LAPACK calls in one program can wait for each other.
    """
    if seeds > 1 and parameters <= MATRIX_BOUND and not in_turn:
        return jax.vmap(function, in_axes=(None, None, 0, 0))

    def take_turns(numbers: Any, key: Array, index: Array, carry: Any) -> Any:
        if seeds == 1:
            out = function(numbers, key, *jax.tree.map(lambda leaf: leaf[0], (index, carry)))
            return jax.tree.map(lambda leaf: leaf[None], out)
        return jax.lax.map(lambda mine: function(numbers, key, *mine), (index, carry))

    return take_turns
