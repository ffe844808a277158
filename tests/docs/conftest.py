"""The process in which the programs of pages and notebooks run."""

import pytest
from doc_pages import ProgramRunner


@pytest.fixture(scope="session")
def programs():
    """A `ProgramRunner` for all of them."""
    runner = ProgramRunner()
    yield runner
    runner.close()
