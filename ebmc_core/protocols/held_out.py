"""The data that checkpoints are measured on: the held-out split of what they were trained on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ebmc_core.baselines import BASELINES, REPEATABLE
from ebmc_core.checkpoint import Checkpoint
from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.mosi import MosiVideos, read_mosi
from ebmc_core.data.paired import PairedWindows, Pairing
from ebmc_core.data.sequences import Sequences
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES
from ebmc_core.protocols.systems import Predictor

SEED = 7
"""Of the paired windows that are drawn for a measurement; MOSI's videos are what they are."""
SEQUENCES = 512

Splits = Callable[[str], Sequences]
"""`train`, `validation` or `test` to its sequences; a new one each time, so that all systems see the same."""


def splits_of(checkpoints: Sequence[Checkpoint], features: Path, softened: bool = True) -> tuple[str, Splits]:
    """The name of the data that the checkpoints were trained on, and its splits.

    softened: training and validation videos of MOSI as the checkpoints had them, else as they were released; test
    videos are as they were released in any case. Raises `DataError` when the checkpoints were not all trained on the
    same, or the arrays are not there or do not fit.
    """
    described = [_data(checkpoint) for checkpoint in checkpoints]
    if any(each != described[0] for each in described):
        raise DataError("these checkpoints were trained on different data or features: evaluate them apart")
    first = checkpoints[0].files
    kind, text = described[0]
    if kind == "mosi":
        mosi = read_mosi(features / "mosi.npz", text)
        found = {modality: values.shape[1] for modality, values in mosi.values.items()}
        soften = first.training.get("soften") if softened else None
        splits: Splits = partial(MosiVideos, mosi, context=first.config.context, seed=SEED, soften=soften)
    else:
        arrays = load_arrays(features)
        found = {modality: part.width for modality, part in arrays.items()}
        splits = partial(PairedWindows, arrays, pairing=Pairing(context=first.config.context), seed=SEED)
    for modality in MODALITIES:
        if found[modality] != first.config.widths[modality]:
            raise DataError(
                f"{first.folder} reads {first.config.widths[modality]} {modality} features, {features} has "
                f"{found[modality]}: prepare the features again, or name the folder they were trained on"
            )
    return kind if text in ("", "released") else f"{kind}-{text}", splits


def _data(checkpoint: Checkpoint) -> tuple[str, str]:
    training: Mapping[str, Any] = checkpoint.files.training
    kind = str(training.get("data", "paired"))
    return kind, str(training.get("text", "released")) if kind == "mosi" else ""


def fit_baselines(
    splits: Splits, seeds: int, report: Callable[[str], None], suffix: str = ""
) -> dict[str, list[Predictor]]:
    """Every baseline, once for each seed where a seed changes it. suffix: what is put behind each name."""
    fitted: dict[str, list[Predictor]] = {}
    for name, fit in BASELINES.items():
        report(f"training {name}{suffix}")
        count = 1 if name in REPEATABLE else seeds
        fitted[name + suffix] = [fit(splits("train"), splits("validation"), seed) for seed in range(1, count + 1)]
    return fitted
