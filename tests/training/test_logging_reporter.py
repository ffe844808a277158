"""What a library call tells Python's logging, and what it leaves alone."""

import logging

import numpy as np

from upslope.engine.progress import Evaluation
from upslope.training.logging_reporter import LOGGER, LoggingReporter


def test_notes_are_warnings_and_evaluations_are_information(caplog):
    reporter = LoggingReporter()
    with caplog.at_level(logging.DEBUG, "upslope"):
        reporter.phase("searching")
        reporter.evaluation(
            Evaluation(np.array([2000, 1500]), np.array([[1.0], [3.0]]), np.ones((2, 1)))
        )
        reporter.note("a 100 % sure thing")
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "WARNING"]
    phase, evaluation, note = caplog.messages
    assert phase == "searching"
    assert evaluation.startswith("1,500 steps per seed: mean evaluation return 2, from 1 to 3")
    assert note == "a 100 % sure thing"


def test_the_logger_is_the_users_to_set_up():
    LoggingReporter()
    assert LOGGER.handlers == []
    assert LOGGER.level == logging.NOTSET
    assert LOGGER.propagate
