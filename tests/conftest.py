"""What every test may use: the bundled clip, and media and data that only some machines have."""

from pathlib import Path

import pytest

from stream.settings import load_settings
from stream.sources.source import bundled_clip
from stream.weights import fetch


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
