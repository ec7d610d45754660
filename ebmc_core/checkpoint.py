"""Checkpoints: a folder with `config.json`, `model.safetensors` and, after export, `model.onnx`.

`config.json` holds the name, the sha256 of the weights, the model's configuration and how it was trained. Torch is
imported only by the functions that need it, so that an engine without torch can read the rest.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmc_core.config import EbmcConfig
from ebmc_core.errors import CheckpointError

if TYPE_CHECKING:
    from ebmc_core.model import EBMC

FORMAT = "ebmc/1"
WEIGHTS, CONFIG, GRAPH = "model.safetensors", "config.json", "model.onnx"


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """A checkpoint on disk, its configuration read, its weights not."""

    folder: Path
    name: str
    digest: str  # sha256 of the weights, hexadecimal
    config: EbmcConfig
    training: Mapping[str, Any]

    @property
    def graph(self) -> Path:
        """The exported ONNX graph; it may not have been made yet."""
        return self.folder / GRAPH


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A loaded checkpoint; the model is in evaluation mode."""

    model: "EBMC"
    files: CheckpointFiles


def checkpoint_folder(name: str) -> Path:
    """The folder of a checkpoint that comes with the package; `CheckpointError` lists those that do."""
    with as_file(files("ebmc_core") / "checkpoints") as bundled:  # a real folder: wheels are installed unpacked
        if (bundled / name / CONFIG).is_file():
            return bundled / name
        known = sorted(path.parent.name for path in bundled.glob(f"*/{CONFIG}") if FORMAT in path.read_text("utf-8"))
    raise CheckpointError(f"no checkpoint is called {name!r}; bundled are: {', '.join(known) or 'none'}")


def read_checkpoint(path_or_name: Path | str) -> CheckpointFiles:
    """Read the configuration of a folder or of a bundled checkpoint. Raises `CheckpointError`; needs no torch."""
    folder = Path(path_or_name)
    if not folder.is_dir():
        if isinstance(path_or_name, Path) or len(folder.parts) > 1:
            raise CheckpointError(f"{folder} is not a checkpoint folder")
        folder = checkpoint_folder(path_or_name)
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            said = repr(content["format"])[:60]
            raise CheckpointError(f"{folder} has the format {said}, this program reads {FORMAT!r}")
        config, name, digest, training = (content[key] for key in ("model", "name", "digest", "training"))
        if not (
            isinstance(name, str) and name.isprintable() and isinstance(digest, str) and isinstance(training, dict)
        ):
            raise ValueError("name, digest or training is none")
        return CheckpointFiles(folder, name, digest, EbmcConfig.from_dict(config), training)
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} holds no {CONFIG}: it is not a checkpoint") from error
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise CheckpointError(f"{folder / CONFIG} is damaged: {error}") from error


def load_checkpoint(path_or_name: Path | str) -> Checkpoint:
    """Build the model and read its weights, checked against their sha256. Raises `CheckpointError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from ebmc_core.model import EBMC

    stored = read_checkpoint(path_or_name)
    path = stored.folder / WEIGHTS
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(content).hexdigest() != stored.digest:
        raise CheckpointError(f"{path} does not match the sha256 in {CONFIG}: it is damaged, fetch or train it again")
    if _least(stored.config) > len(content):
        raise CheckpointError(f"{path} does not fit its own {CONFIG}: it is far too small for such a model")
    try:
        model = EBMC(stored.config)
        model.load_state_dict(load(content))
    except (RuntimeError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} does not fit its own {CONFIG}: {str(error).splitlines()[0]}") from error
    return Checkpoint(model.eval(), stored)


def _least(config: EbmcConfig) -> int:
    """Bytes below which no file of weights is that of such a model; a configuration alone must not ask for memory."""
    layers = config.depth * max(512, config.ratio * config.width**2)
    return max(layers, config.width * (sum(config.widths.values()) + config.part), config.part**2, config.context**2)


def save_checkpoint(folder: Path, name: str, model: "EBMC", training: Mapping[str, Any]) -> CheckpointFiles:
    """Write weights and configuration; an ONNX graph of older weights is removed. training: plain JSON values."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    content = save({key: tensor.contiguous() for key, tensor in model.state_dict().items()})
    digest = hashlib.sha256(content).hexdigest()
    described = {"format": FORMAT, "name": name, "digest": digest, "model": model.config.to_dict()}
    (folder / WEIGHTS).write_bytes(content)
    text = json.dumps({**described, "training": dict(training)}, indent=2)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")
    (folder / GRAPH).unlink(missing_ok=True)
    return CheckpointFiles(folder, name, digest, model.config, training)
