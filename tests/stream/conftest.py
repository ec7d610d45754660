"""Real front ends and the real engine, loaded once."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engines.engine import Engine
from engines.selection import open_engine
from stream.bench.clips import Clip, clip_from
from stream.front_ends import FrontEnds, load_front_ends
from stream.records import Frame
from stream.settings import load_settings
from tests.stream.feeds import frames_of
from tests.stream.web import Web, serving


@pytest.fixture(scope="session")
def front() -> Iterator[FrontEnds]:
    """The models that all streams share."""
    with load_front_ends(load_settings(), lambda line: None) as loaded:
        yield loaded


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The engine that `auto` takes, with the live checkpoint."""
    settings = load_settings()
    with open_engine("auto", settings.checkpoint) as opened:
        yield opened


@pytest.fixture(scope="session")
def clip_frames(clip: Path) -> Sequence[Frame]:
    """Every frame of the bundled clip."""
    return frames_of(clip)


@pytest.fixture(scope="session")
def camera_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """The bundled clip as a camera would give it: scaled up, once."""
    return clip_from("clip", tmp_path_factory.mktemp("scaled"))


@pytest.fixture
def web() -> Iterator[Web]:
    """An empty web server on this machine."""
    with serving() as running:
        yield running
