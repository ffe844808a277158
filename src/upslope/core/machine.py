"""What this machine has."""

from __future__ import annotations

import os
import sys


def machine_memory() -> int:
    """Bytes of the machine's memory; endless where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no POSIX
        return sys.maxsize
