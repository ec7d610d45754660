"""Checkpoints survive the disk, and a bad one is one clear line."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from ebmc_core.checkpoint import CONFIG, WEIGHTS, load_checkpoint, read_checkpoint, save_checkpoint
from ebmc_core.config import EbmcConfig
from ebmc_core.errors import CheckpointError
from ebmc_core.modality import Modality
from ebmc_core.model import EBMC


@pytest.fixture
def folder(model: EBMC, tmp_path: Path) -> Path:
    return save_checkpoint(tmp_path / "made", "made-1", model, {"seed": 3}).folder


def test_it_comes_back_bit_for_bit(folder: Path, model: EBMC) -> None:
    loaded = load_checkpoint(folder)
    assert (loaded.files.name, loaded.files.training, loaded.files.config) == ("made-1", {"seed": 3}, model.config)
    assert not loaded.model.training
    theirs = loaded.model.state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in model.state_dict().items())


def test_one_from_before_there_were_offsets_loads_as_it_was(folder: Path, model: EBMC) -> None:
    weights = load_file(folder / WEIGHTS)
    assert weights.pop("calibration.offset").shape == (8, 3)
    content = save(weights)
    (folder / WEIGHTS).write_bytes(content)
    described = json.loads((folder / CONFIG).read_text()) | {"digest": hashlib.sha256(content).hexdigest()}
    (folder / CONFIG).write_text(json.dumps(described))
    assert (load_checkpoint(folder).model.calibration.offset == 0).all()
    del weights["calibration.interval"]  # what nothing can stand for is still missed
    content = save(weights)
    (folder / WEIGHTS).write_bytes(content)
    described["digest"] = hashlib.sha256(content).hexdigest()
    (folder / CONFIG).write_text(json.dumps(described))
    with pytest.raises(CheckpointError, match=r"does not fit its own config.json"):
        load_checkpoint(folder)


def test_configuration_goes_through_json(config: EbmcConfig) -> None:
    uneven = replace(config, input_dropouts={Modality.AUDIO: 0.7})
    for each in (config, uneven):
        assert EbmcConfig.from_dict(json.loads(json.dumps(each.to_dict()))) == each
    older = {key: value for key, value in config.to_dict().items() if key not in ("novelty", "input_dropouts")}
    assert EbmcConfig.from_dict(older) == replace(config, novelty="linear")


@pytest.mark.parametrize(
    "change",
    [
        {"depht": 2},
        {"heads": 3},
        {"widths": {"text": 4}},
        {"width": 0},
        {"dropout": 1.0},
        {"novelty": "square"},
        {"input_dropouts": {"smell": 0.5}},
        {"input_dropouts": {"audio": 1.0}},
        {"input_dropouts": {"audio": "much"}},
    ],
)
def test_impossible_configurations_are_refused(config: EbmcConfig, change: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="not the configuration of an EBMC model"):
        EbmcConfig.from_dict({**config.to_dict(), **change})


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-5] ^= 1
    (folder / WEIGHTS).write_bytes(content)


def other_shape(folder: Path) -> None:
    content = json.loads((folder / CONFIG).read_text())
    content["model"]["widths"]["video"] = 9
    (folder / CONFIG).write_text(json.dumps(content))


def other_format(folder: Path) -> None:
    content = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**content, "format": "ebmc/9"}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (flip_a_byte, "does not match the sha256"),
        (other_shape, "does not fit its own config.json"),
        (other_format, "has the format 'ebmc/9', this program reads 'ebmc/1'"),
        (lambda folder: (folder / WEIGHTS).unlink(), "cannot be read: No such file"),
        (lambda folder: (folder / CONFIG).unlink(), "it is not a checkpoint"),
        (lambda folder: (folder / CONFIG).write_text("{"), "config.json is damaged"),
        (lambda folder: (folder / CONFIG).write_text('{"format": "ebmc/1"}'), "config.json is damaged: 'model'"),
    ],
)
def test_a_bad_checkpoint_is_one_clear_line(folder: Path, spoil: object, says: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match=says) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


def test_a_name_that_does_not_exist_lists_those_that_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint is called 'live-xx'; bundled are: .*live-en"):
        read_checkpoint("live-xx")
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        read_checkpoint(tmp_path / "nowhere")


def test_the_bundled_checkpoint_loads_and_fits_the_text_vectors() -> None:
    checkpoint = load_checkpoint("live-en")
    assert checkpoint.files.name.startswith("live-en")
    assert checkpoint.files.config.widths[Modality.TEXT] == 384
    assert checkpoint.files.config.context == 16


def test_reading_a_checkpoint_imports_no_torch() -> None:
    code = (
        "import sys; from ebmc_core.checkpoint import read_checkpoint; "
        "read_checkpoint('live-en'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
