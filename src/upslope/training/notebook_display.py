"""Progress in a notebook: the terminal's picture, drawn anew in the output of its cell."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from upslope.engine.progress import Evaluation, Progress
from upslope.training.live_display import LiveDisplay

COLUMNS = 100
# Colours are those of the notebook's own theme, light or dark.
FRAME = (
    '<pre style="margin:0; line-height:1.35; color:inherit; background:none; '
    "font-family:Menlo,'DejaVu Sans Mono',consolas,'Courier New',monospace\">{code}</pre>"
)


class NotebookDisplay(LiveDisplay):
    """A `LiveDisplay` that is drawn when something has happened, without a thread.

    Args:
      title: what runs.
    """

    def __init__(self, title: str):
        super().__init__(title, Console(file=io.StringIO(), width=COLUMNS, highlight=False))
        self._handle: Any = None
        self._notes: list[str] = []

    def phase(self, name: str) -> None:
        """See `Reporter`."""
        self._enter(name)
        self._draw()

    def progress(self, progress: Progress) -> None:
        """See `Reporter`."""
        super().progress(progress)
        self._draw()

    def evaluation(self, evaluation: Evaluation) -> None:
        """See `Reporter`."""
        super().evaluation(evaluation)
        self._draw()

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self._notes.append(text)
        self._draw()

    def _draw(self) -> None:
        from IPython.display import (  # pyright: ignore[reportMissingImports]
            HTML,
            display,
        )

        shown = HTML(self.html())
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def html(self) -> str:
        """The picture and the notes so far."""
        page = Console(file=io.StringIO(), width=COLUMNS, record=True, highlight=False)
        page.print(self.picture())
        for text in self._notes:
            page.print(f"note: {text}", markup=False)
        return page.export_html(inline_styles=True, code_format=FRAME)
