"""Loops over little data as one compiled function: asked of XLA before JAX starts."""

from __future__ import annotations

import os
import re

OPTION = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold="
# Bytes of data that a loop may have: of a step of a small environment, of a search over a function.
ENVIRONMENT_LOOP_BYTES, FUNCTION_LOOP_BYTES = 10_000_000, 250_000


def ask_for_small_loops(size: int) -> None:
    """Lets XLA:CPU compile a loop over at most `size` bytes into one function, body and all.

    A step of a small environment, or of a simplex, costs less than starting its operations one by
    one; XLA's own bound (1 KB of data) leaves nearly every such loop outside. XLA reads the flag
    once, when JAX starts: afterwards this changes nothing. What the user has set stays; of two of
    our own values the larger one does.

    Args:
      size: bytes.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    ours = re.search(re.escape(OPTION) + r"(\d+)", flags)
    if ours:
        size = max(size, int(ours[1]))
        flags = flags.replace(ours[0], OPTION + str(size))
    elif "xla_backend_extra_options" not in flags:
        flags = f"{flags} {OPTION}{size}".strip()
    os.environ["XLA_FLAGS"] = flags
