"""Progress for Python's `logging`: what a library call says."""

from __future__ import annotations

import logging

from upslope.engine.progress import Evaluation, Progress

LOGGER = logging.getLogger("upslope")


class LoggingReporter:
    """Tells the logger "upslope": notes are warnings, evaluations are INFO, phases are DEBUG.

    No handler is added and no level is set: who wants to see evaluations says so, such as by
    `logging.basicConfig(level=logging.INFO)`.
    """

    def phase(self, name: str) -> None:
        """See `Reporter`."""
        LOGGER.debug("%s", name)

    def progress(self, progress: Progress) -> None:
        """See `Reporter`; nothing is logged of moments, of which there are three a second."""

    def evaluation(self, evaluation: Evaluation) -> None:
        """See `Reporter`."""
        means = evaluation.returns.mean(axis=1)
        LOGGER.info(
            "%s steps per seed: mean evaluation return %.5g, from %.5g to %.5g over %d seed(s)",
            f"{int(evaluation.steps.min()):,}",
            means.mean(),
            means.min(),
            means.max(),
            means.size,
        )

    def note(self, text: str) -> None:
        """See `Reporter`."""
        LOGGER.warning("%s", text)
