"""Facial expressions: the portraits of a repository, made small, and one table of their labels.

The repository has about 13,700 labelled portraits; the checkpoints were trained on 11,956 of them. Which ones is
kept as numbers made of their file names (`stream/assets/portraits.npy`), so that no list of people is passed on.
"""

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping, Set
from importlib.resources import files as package_files
from pathlib import Path

import cv2
import numpy as np

from ebmc_core.errors import DataError
from ebmc_core.face import EMOTION_OF_LABEL
from stream.datasets.archive import opened_archive, read_member
from stream.datasets.dataset import Dataset, Found, RemoteFile, Report, State

ARCHIVE = "facial_expressions.zip"
LEGEND = ("data", "legend.csv")
LONGEST = 160  # pixels; smaller pictures stay as they are
QUALITY = 88  # of the JPEG, as its quantisation tables in the reference pictures say
LABELS_SHA256 = "f6cf9a1200a97feb1709b14b19078dd7c145676ac5cf58bcc2c6a6cbf292ecde"  # of the reference table


def portrait_number(name: str) -> int:
    """32 bits of the sha256 of a file name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])


def portraits_used() -> Set[int]:
    """Numbers of the portraits that the checkpoints were trained on."""
    content = package_files("stream").joinpath("assets", "portraits.npy").read_bytes()
    return frozenset(np.load(io.BytesIO(content), allow_pickle=False).tolist())


def build_faces(
    files: Mapping[str, Path], folder: Path, report: Report | None = None, used: Set[int] | None = None
) -> None:
    """`folder/labels.csv` and `folder/faces.zip`; raises `DataError` when the archive lacks a portrait or its label."""
    used = portraits_used() if used is None else used
    with opened_archive(files[ARCHIVE]) as archive:
        inside = {tuple(name.split("/")[1:]): name for name in archive.namelist()}  # the first folder names the commit
        if LEGEND not in inside:
            raise DataError(f"{ARCHIVE} lacks {'/'.join(LEGEND)}")
        labels = {
            name: label
            for name, label in _labels(read_member(archive, inside[LEGEND]))
            if portrait_number(name) in used
        }
        missing = len(used) - len({portrait_number(name) for name in labels if ("images", name) in inside})
        if missing:
            raise DataError(f"{ARCHIVE} lacks {missing} of {len(used)} portraits or their labels")
        with zipfile.ZipFile(folder / "faces.zip", "w") as small:
            for index, name in enumerate(sorted(labels)):
                small.writestr(zipfile.ZipInfo(name), small_picture(read_member(archive, inside["images", name]), name))
                if report:
                    report(index + 1, len(labels), "pictures")
    rows = "".join(f"{name},{labels[name]}\n" for name in sorted(labels))
    (folder / "labels.csv").write_text(f"image,emotion\n{rows}", encoding="utf-8", newline="")


def _labels(legend: bytes) -> Iterator[tuple[str, str]]:
    """Picture and emotion, in small letters, of the rows whose emotion is known; a later row counts more."""
    for row in csv.DictReader(io.StringIO(legend.decode("utf-8", errors="replace"), newline="")):
        name, emotion = (row.get("image") or "").strip(), (row.get("emotion") or "").strip().lower()
        if emotion in EMOTION_OF_LABEL and "/" not in name and "," not in name:
            yield name, emotion


def small_picture(content: bytes, name: str) -> bytes:
    """A picture file as JPEG, longest side at most 160 pixels; raises `DataError` when it is none."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{name} in {ARCHIVE} is not a picture")
    height, width = image.shape[:2]
    ratio = LONGEST / max(height, width)
    if ratio < 1:
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return code.tobytes()


def inspect_faces(folder: Path, used: Set[int] | None = None) -> Found:
    """Whether the table names the portraits of the checkpoints, and the archive holds what the table names."""
    used = portraits_used() if used is None else used
    table, archive = folder / "labels.csv", folder / "faces.zip"
    if not table.is_file() or not archive.is_file():
        here = [path.name for path in (table, archive) if path.is_file()]
        return Found(State.PARTIAL if here else State.MISSING, f"only {here[0]}" if here else "no portraits")
    try:
        content = table.read_bytes()
        labels = {row["image"]: row["emotion"] for row in csv.DictReader(io.StringIO(content.decode(), newline=""))}
        with zipfile.ZipFile(archive) as stored:
            inside = set(stored.namelist())
    except (OSError, UnicodeDecodeError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        return Found(State.DAMAGED, f"labels.csv or faces.zip cannot be read: {error}")
    if unknown := set(labels.values()) - set(EMOTION_OF_LABEL):
        return Found(State.DAMAGED, f"labels.csv names emotions that are not known: {sorted(unknown)[:3]}")
    here = {portrait_number(name) for name in labels if name in inside} & used
    if len(here) < len(used):
        return Found(State.DAMAGED, f"{len(here)} of {len(used)} portraits are in both labels.csv and faces.zip")
    same = hashlib.sha256(content).hexdigest() == LABELS_SHA256
    return Found(State.COMPLETE, f"{len(here)} portraits" + ("" if same else "; the labels differ from the reference"))


FACES = Dataset(
    name="facial-expressions",
    parts=("faces",),
    what="portraits, 8 emotions: 11,956 pictures of public people",
    use="the expression network, the face expert of live-en",
    licence="Apache-2.0 (repository)",
    consequence="the labels are free to use; the portraits are from the public web: train and evaluate, show none",
    citation="github.com/muxspace/facial_expressions",
    home="github.com/muxspace/facial_expressions",
    files=(
        RemoteFile(
            ARCHIVE,
            (
                "https://github.com/muxspace/facial_expressions/archive/5fb9c13a.zip",
                "https://github.com/muxspace/facial_expressions/archive/refs/heads/master.zip",
            ),
        ),
    ),
    build=build_faces,
    inspect=inspect_faces,
)
