"""Our copies of the public data sets, and data sets whose files are served by the test."""

import csv
import io
import wave
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from stream.datasets.dataset import Dataset
from stream.datasets.faces import FACES, build_faces, inspect_faces, portrait_number
from stream.settings import load_settings
from tests.stream.web import Web

NOWHERE = "http://127.0.0.1:9"  # nothing listens on the discard port


def local(name: str) -> Path:
    folder = load_settings().data / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the data set is not here: {folder} (EBMC_DATA names its folder)")
    return folder


def served(dataset: Dataset, web: Web, contents: Mapping[str, bytes]) -> Dataset:
    """The data set with the given files at addresses of the test server, digests as they are."""
    files = tuple(replace(file, addresses=(web.put(file.name, contents[file.name]),)) for file in dataset.files)
    return replace(dataset, files=files)


def unchecked(dataset: Dataset) -> Dataset:
    """For archives that we made: their digest is not that of the original."""
    return replace(dataset, files=tuple(replace(file, digest=None) for file in dataset.files))


def zipped(members: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def wav_48k(path: Path, channels: int = 1) -> bytes:
    """A recording of ours as the originals are: wav, 16 bit, 48 kHz."""
    resampler = AudioResampler("s16", "mono", 48_000)
    with av.open(str(path)) as media:
        parts = [part.to_ndarray()[0] for frame in (*media.decode(audio=0), None) for part in resampler.resample(frame)]
    out = io.BytesIO()
    with wave.open(out, "wb") as target:
        target.setnchannels(channels)
        target.setsampwidth(2)
        target.setframerate(48_000)
        target.writeframes(np.repeat(np.concatenate(parts), channels).tobytes())
    return out.getvalue()


def enlarged(content: bytes) -> bytes:
    """A picture file of twice the size: our small pictures stand in for the originals."""
    large = cv2.resize(decoded(content).astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def decoded(content: bytes) -> NDArray[np.float64]:
    """A picture file as BGR `[H, W, 3]`, 0 to 255."""
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.float64)


def some_faces(count: int = 12) -> tuple[dict[str, str], dict[str, bytes]]:
    """Every 1000th picture of our table: emotions and files."""
    with (local("facial-expressions") / "labels.csv").open(newline="") as lines:
        labels = {row["image"]: row["emotion"] for row in list(csv.DictReader(lines))[::1000][:count]}
    with zipfile.ZipFile(local("facial-expressions") / "faces.zip") as stored:
        return labels, {name: stored.read(name) for name in labels}


def repository(labels: Mapping[str, str], pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """An archive as the repository gives it: legend with users, emotions in any case, and a picture nobody used."""
    rows = [
        f"302,{name},{emotion.upper() if index % 2 else emotion}"
        for index, (name, emotion) in enumerate(labels.items())
    ]
    rows += ["7,Nobody_0001.jpg,happiness", "7,Nobody_0002.jpg,bored"]
    legend = "user.id,image,emotion\n" + "\n".join(rows) + "\n"
    members = {f"facial_expressions-5fb9c13a/images/{name}": enlarged(content) for name, content in pictures.items()}
    members["facial_expressions-5fb9c13a/images/Nobody_0001.jpg"] = b"not even a picture"
    return {"facial_expressions-5fb9c13a/data/legend.csv": legend.encode()} | members


def few_faces(web: Web, labels: Mapping[str, str], members: Mapping[str, bytes]) -> Dataset:
    used = frozenset(map(portrait_number, labels))
    some = served(FACES, web, {FACES.files[0].name: zipped(members)})
    return replace(some, build=partial(build_faces, used=used), inspect=partial(inspect_faces, used=used))
