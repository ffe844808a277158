"""Who shows the progress of a call from Python: a picture where a person watches, else the log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from upslope.core.where_shown import in_notebook, in_terminal
from upslope.engine.progress import Evaluation, Progress, Reporter
from upslope.training.config import RunConfig
from upslope.training.logging_reporter import LOGGER, LoggingReporter


@contextmanager
def watched(
    reporter: Reporter | None, progress: bool | None, config: RunConfig
) -> Iterator[Reporter]:
    """Who is told of a run while it lasts.

    Args:
      reporter: of the caller; None: see below.
      progress: whether the progress is shown: in the output of a notebook's cell, as a picture in a
        terminal, as lines elsewhere. None: where a person watches, a notebook or a terminal.
      config: what runs.
    """
    if reporter is not None or progress is False:
        yield reporter or LoggingReporter()
    elif in_notebook():
        from upslope.training.notebook_display import NotebookDisplay

        with NotebookDisplay(config.title) as display:
            yield ShownAndLogged(display)
    elif in_terminal():
        from upslope.training.live_display import LiveDisplay

        with LiveDisplay(config.title) as display:
            yield ShownAndLogged(display)
    elif progress:
        from upslope.training.plain_display import PlainDisplay

        with PlainDisplay(config.title) as display:
            yield ShownAndLogged(display)
    else:
        yield LoggingReporter()


class ShownAndLogged(LoggingReporter):
    """Shows what happens, and tells the logger too; a note only where somebody has set it up.

    Without a handler of the user's, Python would print the note a second time.

    Args:
      display: who shows it.
    """

    def __init__(self, display: Reporter):
        self._display = display

    def phase(self, name: str) -> None:
        """See `Reporter`."""
        self._display.phase(name)
        super().phase(name)

    def progress(self, progress: Progress) -> None:
        """See `Reporter`."""
        self._display.progress(progress)

    def evaluation(self, evaluation: Evaluation) -> None:
        """See `Reporter`."""
        self._display.evaluation(evaluation)
        super().evaluation(evaluation)

    def note(self, text: str) -> None:
        """See `Reporter`."""
        self._display.note(text)
        if LOGGER.hasHandlers():
            super().note(text)
