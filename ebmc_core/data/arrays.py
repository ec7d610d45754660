"""Feature arrays on disk: one `.npz` per modality, written by the feature front ends, checked here once.

Keys, each with one row per feature window: `values` float `[N, d_m]`; `quality` float32 in 0..1; `label` int8 (a
number of `SENTIMENTS`); `item` str (what was recorded: degraded copies of it share the name); `group` str (a person or
dialogue, never on both sides of a split); `split` str (`train`, `validation`, `test`); `condition` str (`clean` or how
it was degraded); `source` str (the data set).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmc_core.data.columns import ANY, REAL, WHOLE, WORD, read_columns
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality

SPLITS = ("train", "validation", "test")
WORDS = dict.fromkeys(("item", "group", "split", "condition", "source"), (WORD, 1))
KINDS = {"values": (ANY, None), "quality": (REAL, 1), "label": (WHOLE, 1), **WORDS}
CLEAN = "clean"


@dataclass(frozen=True, slots=True, eq=False)
class FeatureArrays:
    """The rows of one modality; shapes and meanings as at the top of this file, values as float32."""

    values: NDArray[np.float32]
    quality: NDArray[np.float32]
    label: NDArray[np.int64]
    item: NDArray[np.str_]
    group: NDArray[np.str_]
    split: NDArray[np.str_]
    condition: NDArray[np.str_]
    source: NDArray[np.str_]

    @property
    def width(self) -> int:
        """Feature width `d_m`."""
        return self.values.shape[1]

    def of_split(self, split: str) -> "FeatureArrays":
        """The rows of one split."""
        rows = self.split == split
        return FeatureArrays(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def load_arrays(folder: Path) -> dict[Modality, FeatureArrays]:
    """Read and check `text.npz`, `audio.npz` and `video.npz`. Raises `DataError` with one line that names the fault."""
    return {modality: read_arrays(folder / f"{modality}.npz") for modality in MODALITIES}


def read_arrays(path: Path) -> FeatureArrays:
    """Read and check the arrays of one modality; `DataError` as in `load_arrays`."""
    try:
        columns = read_columns(path, KINDS)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: make it with `ebmc data prepare`") from error
    except ValueError as error:
        raise DataError(f"{path} holds no feature arrays: {error}") from error
    _check(columns, path)
    columns["values"] = columns["values"].astype(np.float32)
    columns["label"] = columns["label"].astype(np.int64)
    return FeatureArrays(**columns)


def _check(columns: Mapping[str, NDArray[Any]], path: Path) -> None:
    values, label, split = columns["values"], columns["label"], columns["split"]
    count = len(label)
    if values.ndim != 2 or values.dtype.kind != "f" or any(len(column) != count for column in columns.values()):
        raise DataError(f"{path}: values must be float [N, d] and every other column [N] of the same N")
    if not np.isfinite(values).all():
        raise DataError(f"{path}: {int((~np.isfinite(values)).any(1).sum())} rows have values that are not finite")
    quality = columns["quality"]
    if not ((quality >= 0) & (quality <= 1)).all():
        raise DataError(f"{path}: quality must be inside 0..1")
    if not ((label >= 0) & (label < len(SENTIMENTS))).all():
        raise DataError(f"{path}: labels must be 0 to {len(SENTIMENTS) - 1}, not {sorted({int(x) for x in label})}")
    if strange := set(split) - set(SPLITS):
        raise DataError(f"{path}: unknown splits {sorted(str(x) for x in strange)}, known are {', '.join(SPLITS)}")
    for name in SPLITS:
        if absent := [sentiment for index, sentiment in enumerate(SENTIMENTS) if index not in label[split == name]]:
            raise DataError(f"{path}: the {name} split has no {', '.join(absent)} rows")
    _check_groups(columns["group"], split, path)


def _check_groups(group: NDArray[np.str_], split: NDArray[np.str_], path: Path) -> None:
    """A person or dialogue on both sides of a split would make every held-out figure a lie."""
    pairs = np.unique(np.stack((group, split)).astype(str), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    if (shared := names[counts > 1]).size:
        raise DataError(f"{path}: {len(shared)} groups are in more than one split, for example {str(shared[0])!r}")
