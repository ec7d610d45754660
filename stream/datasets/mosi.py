"""CMU-MOSI, utterance-level features: seven tables of the bc-LSTM release become one file of plain arrays.

The release also has pickles. They are not used: they lack the names of the utterances, and unpickling runs code. The
tables have all of it: a row of `text_*.csv` begins with the row number of its utterance in `transcripts.csv`, and the
rows of `audio_*0.csv` and `video_*0.csv` stand in the order of `text_*.csv`, each with its label at the end.
"""

import csv
import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ebmc_core.errors import DataError
from stream.datasets.dataset import Dataset, Found, RemoteFile, Report, State

TARGET = "mosi_utterance.npz"
# `content_digest` of the arrays that the checkpoints were trained on
CONTENT = "b524a8a134f93a5a9bcb3caecb95f4503f5ca4ca0d72d466f7a5debe1e13ace6"
UTTERANCES = 2_199
PARTS = {"train": 1447, "test": 752}
WIDTHS = {"text": 100, "audio": 73, "video": 100}
Arrays = dict[str, NDArray[np.generic]]

ADDRESS = (
    "https://raw.githubusercontent.com/declare-lab/multimodal-deep-learning/"
    "111b401d867c14a1dcd930fd2b2ab58a5eca3f70/bc-LSTM/data"
)
SIZES = {
    "transcripts.csv": 201_361,
    "text_train.csv": 1_689_050,
    "text_test.csv": 889_325,
    "audio/audio_train0.csv": 1_343_911,
    "audio/audio_test0.csv": 699_228,
    "video/video_train0.csv": 1_055_454,
    "video/video_test0.csv": 557_378,
}


def build_mosi(files: Mapping[str, Path], folder: Path, report: Report | None = None) -> None:
    """`folder/mosi_utterance.npz`; raises `DataError` when the tables do not fit each other."""
    arrays = arrays_from_tables({name: _rows(path) for name, path in files.items()})
    np.savez_compressed(folder / TARGET, allow_pickle=False, **arrays)


def arrays_from_tables(tables: Mapping[str, list[list[str]]]) -> Arrays:
    """Rows of cells, by file name, as the arrays `{train,test}_{text,audio,video,transcript,id,label}`.

    Features float32 `[n, width]`, label int8 `[n]` (1: positive, that is a sentiment of at least 0), id
    `VIDEO_NUMBER`.
    """
    try:
        return {
            name: array
            for part in PARTS
            for name, array in _part(
                part,
                tables["transcripts.csv"],
                tables[f"text_{part}.csv"],
                {kind: tables[f"{kind}_{part}0.csv"] for kind in ("audio", "video")},
            ).items()
        }
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"the tables of CMU-MOSI do not fit each other: {error}") from error


def _part(
    part: str, transcripts: list[list[str]], text: list[list[str]], others: Mapping[str, list[list[str]]]
) -> Arrays:
    said = [transcripts[int(row[0])] for row in text]  # name, words, number of the video, label
    features = {"text": _numbers([row[1:] for row in text])}
    features |= {kind: _numbers([row[:-1] for row in rows]) for kind, rows in others.items()}
    for kind, values in features.items():
        if values.shape != (len(text), WIDTHS[kind]):
            raise ValueError(f"{kind}_{part} is {values.shape}, expected {(len(text), WIDTHS[kind])}")
    return {
        f"{part}_text": features["text"],
        f"{part}_label": np.array([int(row[3]) for row in said], np.int8),
        f"{part}_audio": features["audio"],
        f"{part}_video": features["video"],
        f"{part}_id": np.array([row[0] for row in said]),
        f"{part}_transcript": np.array([row[1] for row in said]),
    }


def _numbers(rows: list[list[str]]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float64).astype(np.float32)


def _rows(path: Path) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return [row for row in csv.reader(lines) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table: {error}") from error


def inspect_mosi(folder: Path) -> Found:
    """Whether the arrays are, bit for bit, those that the checkpoints were trained on."""
    if not (folder / TARGET).is_file():
        return Found(State.MISSING, f"no {TARGET}")
    try:
        with np.load(folder / TARGET, allow_pickle=False) as stored:
            seen = content_digest({name: stored[name] for name in stored.files})
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return Found(State.DAMAGED, f"{TARGET} cannot be read: {error}")
    if seen != CONTENT:
        return Found(State.DAMAGED, f"the arrays in {TARGET} are others than those that the checkpoints learned from")
    return Found(State.COMPLETE, f"{UTTERANCES} utterances")


def content_digest(arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """sha256 over names, types, shapes and values; how a file is compressed does not matter."""
    seen = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        seen.update(f"{name} {array.dtype.str} {array.shape}".encode())
        seen.update(array.tobytes())
    return seen.hexdigest()


MOSI = Dataset(
    name="cmu-mosi",
    parts=("text", "mosi"),
    what="film reviews, positive or negative: 2,199 utterances, features and transcripts",
    use="transcripts: the text expert of live-en; features: the benchmark",
    licence="research use",
    consequence="for research; ask the authors before any other use",
    citation="Zadeh et al. 2016, arXiv:1606.06259; features: Poria et al. 2017, ACL",
    home="github.com/declare-lab/multimodal-deep-learning (bc-LSTM)",
    files=tuple(RemoteFile(Path(name).name, (f"{ADDRESS}/{name}",), size) for name, size in SIZES.items()),
    build=build_mosi,
    inspect=inspect_mosi,
)
