"""No test here may need much memory, whatever it reads."""

import resource
from collections.abc import Generator

import pytest

MOST = 1_500 * 1024  # KiB by which one test may raise the peak of the process: libraries that it loads are among them


@pytest.fixture(autouse=True)
def little_memory() -> Generator[None]:
    """Fails a test whose inputs made the process large."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < MOST, f"{grown // 1024} MiB more"
