"""One MLIR context for many programs.

JAX makes a context, with all its dialects, for every program that it lowers, which takes longer
than lowering a small program does: some percent of the time of all tests.
"""

import threading

from jax._src.interpreters import mlir

PROGRAMS_PER_CONTEXT = 500  # a context keeps all types, numbers and source lines it has seen


def share_contexts() -> None:
    """Let every thread of this process lower its programs in a context that it keeps.

    Nothing is done where JAX has no such function (it is none of its public ones).
    """
    make = getattr(mlir, "make_ir_context", None)
    if make is None:
        return
    kept = threading.local()

    def shared():
        if getattr(kept, "left", 0) == 0:
            kept.context, kept.left = make(), PROGRAMS_PER_CONTEXT
        kept.left -= 1
        return kept.context

    mlir.make_ir_context = shared
