"""Our copies of the public data sets, and data sets whose files are served by the test."""

import io
import wave
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler

from stream.datasets.dataset import Dataset
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
