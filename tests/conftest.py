"""What every test may use: the bundled clip, and media and data that only some machines have."""

import os
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from stream.settings import load_settings
from stream.sources.source import bundled_clip
from stream.weights import fetch
from tests.room import SAID, place, together

WORKER = "PYTEST_XDIST_WORKER"  # set where pytest-xdist runs the tests


@pytest.fixture(scope="session")
def clip() -> Path:
    """The clip inside the package."""
    return bundled_clip()


@pytest.fixture(scope="session")
def landmarker() -> Path:
    """MediaPipe's model file; fetched if set-up has not."""
    return fetch("face-landmarker", load_settings().cache)


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of real test clips, which is not part of the repository."""
    folder = load_settings().data / "media"
    if not folder.is_dir():
        pytest.skip(f"test clips are not here: {folder} (EBMC_DATA names their folder)")
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What shares something runs in one process."""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Rooms(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test that is marked `alone` waits for the others, and they for it; the waiting is not part of its time."""
    with place(item.get_closest_marker("alone") is not None) if WORKER in os.environ else nullcontext():
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs tests tells the one that reports what is to be said at the end."""
    if WORKER in os.environ and SAID in session.config.stash:
        session.config.workeroutput["said"] = session.config.stash[SAID]  # type: ignore[attr-defined]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The other end of that."""
    if said := getattr(node, "workeroutput", {}).get("said"):
        node.config.stash[SAID] = said


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which broker it was."""
    if SAID in config.stash:
        terminalreporter.write_line(config.stash[SAID])
