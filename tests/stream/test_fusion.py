"""A checkpoint that reads other features than streams make is refused before anything runs."""

import json
import shutil
from pathlib import Path

import pytest

from ebmc_core.checkpoint import checkpoint_folder
from ebmc_core.config import FEATURES
from ebmc_core.errors import CheckpointError
from stream.fusion import open_fusion
from stream.settings import load_settings


def copied(folder: Path, **model: object) -> Path:
    """The live checkpoint with another model table."""
    shutil.copytree(checkpoint_folder("live-en"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["model"] |= model
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_the_live_checkpoint_reads_what_streams_make() -> None:
    with open_fusion(load_settings()) as engine:
        assert engine.model.startswith("live-en")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"features": FEATURES - 1},
            f"of version {FEATURES - 1}, streams make version {FEATURES}: take a newer",
        ),
        ({"widths": {"text": 384, "audio": 73, "video": 90}}, "prepare the features anew and train again"),
    ],
)
def test_one_that_was_trained_on_other_features_is_refused(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        open_fusion(load_settings(checkpoint=str(copied(tmp_path / "other", **changed))))
