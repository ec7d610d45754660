"""Bad training data is refused where it enters, in one line that names the file and the fault."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ebmc_core.data.arrays import load_arrays
from ebmc_core.errors import DataError
from ebmc_core.modality import MODALITIES, Modality

Columns = dict[str, np.ndarray]


def rewrite(folder: Path, change: Callable[[Columns], None]) -> None:
    path = folder / "audio.npz"
    with np.load(path) as stored:
        columns = dict(stored)
    change(columns)
    np.savez(path, **columns)


def test_good_arrays_load_as_float32_and_int64(arrays_folder: Path) -> None:
    arrays = load_arrays(arrays_folder)
    assert list(arrays) == list(MODALITIES)
    audio = arrays[Modality.AUDIO]
    assert (audio.values.dtype, audio.label.dtype, audio.width) == (np.float32, np.int64, 10)
    assert set(audio.of_split("test").split) == {"test"}


def nan(columns: Columns) -> None:
    columns["values"][7, 3] = np.nan


def flat(columns: Columns) -> None:
    columns["values"] = columns["values"].ravel()


def short(columns: Columns) -> None:
    columns["quality"] = columns["quality"][:-1]


def label(columns: Columns) -> None:
    columns["label"][0] = 3


def quality(columns: Columns) -> None:
    columns["quality"][0] = 1.5


def split(columns: Columns) -> None:
    columns["split"] = np.where(columns["split"] == "test", "exam", columns["split"])


def empty(columns: Columns) -> None:
    columns["split"] = np.where(columns["split"] == "validation", "train", columns["split"]).astype(str)


def leak(columns: Columns) -> None:
    columns["group"] = np.full_like(columns["group"], "same")


def column(columns: Columns) -> None:
    del columns["label"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (nan, "1 rows have values that are not finite"),
        (flat, r"values must be float \[N, d\]"),
        (short, r"every other column \[N\] of the same N"),
        (label, r"labels must be 0 to 2, not \[0, 1, 2, 3\]"),
        (quality, "quality must be inside 0..1"),
        (split, "unknown splits .'exam'."),
        (empty, "the validation split has no negative, neutral, positive rows"),
        (leak, "1 groups are in more than one split, for example 'same'"),
        (column, "holds no feature arrays: .*label"),
    ],
)
def test_bad_arrays_are_one_clear_line(arrays_folder: Path, change: Callable[[Columns], None], says: str) -> None:
    rewrite(arrays_folder, change)
    with pytest.raises(DataError, match=says) as caught:
        load_arrays(arrays_folder)
    assert "audio.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_damaged_files(arrays_folder: Path) -> None:
    (arrays_folder / "text.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(DataError, match="holds no feature arrays"):
        load_arrays(arrays_folder)
    (arrays_folder / "text.npz").unlink()
    with pytest.raises(DataError, match="is missing: make it with `ebmc data prepare`"):
        load_arrays(arrays_folder)
