"""The trained upper blocks on disk: `model.safetensors` (float16, MiniLM's names) and `config.json`."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmc_core.checkpoint import CONFIG, WEIGHTS
from ebmc_core.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

    from ebmc_core.sentence import UpperEncoder


def save_sentence(
    encoder: "UpperEncoder", folder: Path, training: dict[str, Any], metrics: dict[str, dict[str, float]]
) -> None:
    """Write both files. training, metrics: how it was trained and what it reached, for whoever asks."""
    from safetensors.torch import save_file

    from ebmc_core.sentence import halved

    folder.mkdir(parents=True, exist_ok=True)
    save_file(halved(encoder.minilm_state()), folder / WEIGHTS)
    described = {
        "network": {"of": "minilm-l6-v2", "blocks": len(encoder.blocks)},
        "training": training,
        "metrics": {
            split: {name: round(value, 4) for name, value in scores.items()} for split, scores in metrics.items()
        },
        "sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
    }
    (folder / CONFIG).write_text(json.dumps(described, indent=2) + "\n")


def sentence_digest(folder: Path) -> str:
    """The sha256 of the weights, as `config.json` tells it. Raises `CheckpointError`; reads no weights."""
    try:
        return str(json.loads((folder / CONFIG).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{folder} holds no sentence checkpoint: {error}") from error


def load_sentence(folder: Path) -> "dict[str, Tensor]":
    """The weights under MiniLM's names. Raises `CheckpointError` when they are damaged or not those of the config."""
    from safetensors.torch import load

    digest = sentence_digest(folder)
    try:
        stored = (folder / WEIGHTS).read_bytes()
        weights = load(stored)
    except Exception as error:  # safetensors' own error has no public root
        raise CheckpointError(f"{folder} holds no usable sentence weights: {error}") from error
    if hashlib.sha256(stored).hexdigest() != digest:
        raise CheckpointError(f"{folder}: {WEIGHTS} is not the one that {CONFIG} describes")
    return weights
