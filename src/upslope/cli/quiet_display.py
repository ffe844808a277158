"""No progress at all; only what the user must know."""

from __future__ import annotations

import sys

from upslope.engine.progress import Silent


class QuietDisplay(Silent):
    """Tells nothing but notes, on standard error."""

    def __enter__(self) -> QuietDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def note(self, text: str) -> None:
        """See `Reporter`."""
        print(f"note: {text}", file=sys.stderr)
