"""One server for all tests that do it no harm, and a client for its sessions."""

from collections.abc import Generator

import pytest

from tests.server.serving import Served, served


@pytest.fixture(scope="session")
def server() -> Generator[Served]:
    """Four sessions at most; a test gives back those that it takes."""
    with served(environment={"EBMC_SERVER_SESSIONS": "4", "EBMC_SERVER_PATIENCE": "3"}) as running:
        yield running
