"""A recorded session (`ebmc run … --record FOLDER`), played again: `replay:FOLDER/STREAM`."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.inbox import Arrival, Heard, Mark, Passed, Record, Tick
from stream.recording import PICTURES, RECORDS, SCHEMA, SOUND
from stream.records import AudioFrame, VideoFrame
from stream.settings import Settings
from stream.sources.source import Media


class ReplaySource:
    """The records of one stream as they came in when it was live, so that the same events come out.

    Raises `SourceError` when made for a folder that holds no recording.
    """

    live = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name, self._kinds = header_of(self._folder)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Begin from the first record."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"replay-{self.name}") as worker, ExitStack() as files:
            yield Media(self._kinds, None, _arrivals(recorded(self._folder, files), worker), stamped=True)


def from_uri(uri: str, _: Settings) -> ReplaySource:
    """The source of `replay:FOLDER`."""
    return ReplaySource(Path(uri.removeprefix("replay:")))


async def _arrivals(records: Iterator[Arrival], worker: ThreadPoolExecutor) -> AsyncGenerator[Arrival]:
    loop = asyncio.get_running_loop()
    while some := await loop.run_in_executor(worker, lambda: list(islice(records, 8))):
        for arrival in some:
            yield arrival


def header_of(folder: Path) -> tuple[str, frozenset[Modality]]:
    """The stream's name and its media. Raises `SourceError` when the folder holds no recording."""
    try:
        with (folder / RECORDS).open(encoding="utf-8") as log:
            header = json.loads(log.readline())
        if header["schema"] == SCHEMA:
            return str(header["stream"]), frozenset(Modality(kind) for kind in header["kinds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{folder}: holds no recording; name the folder of one stream inside the one that --record made"
        ) from error
    raise SourceError(f"{folder}: is a recording of another version ({header['schema']}, this program reads {SCHEMA})")


def recorded(folder: Path, files: ExitStack) -> Iterator[Arrival]:
    """The arrivals, in order. files: closes what is read. Raises `SourceError` when the recording is not whole."""
    try:
        log = files.enter_context((folder / RECORDS).open(encoding="utf-8"))
        log.readline()
        sound, pictures = _Sound(folder / SOUND, files), _pictures(folder, files)
        for text in log:
            line = json.loads(text)
            yield Arrival(_record(line, sound, pictures), line["at"], line.get("busy", False), line.get("pending", 0))
    except (OSError, FFmpegError, ValueError, KeyError, _Short) as error:
        raise SourceError(f"{folder}: the recording is not whole ({error})") from error


class _Short(Exception):
    """The media of a recording end before its records do."""


def _record(line: dict[str, Any], sound: "_Sound", pictures: Iterator[NDArray[np.uint8]]) -> Record:
    if "audio" in line:
        return AudioFrame(line["audio"], sound.take(line["samples"]))
    if "video" in line:
        image = next(pictures, None)
        if image is None or [*image.shape[:2]] != line["size"]:
            raise _Short("a picture is missing")
        return VideoFrame(line["video"], image)
    if "passed" in line:
        return Passed(line["passed"])
    if "mark" in line:
        return Mark(line["mark"])
    return Heard() if "heard" in line else Tick()


class _Sound:
    """The samples of a recording, from its beginning to its end."""

    def __init__(self, path: Path, files: ExitStack) -> None:
        self._parts = _samples(path, files)
        self._rest = np.empty(0, np.float32)

    def take(self, number: int) -> NDArray[np.float32]:
        """The next samples, float32 `[number]`."""
        parts, held = [self._rest], len(self._rest)
        while held < number:
            part = next(self._parts, None)
            if part is None:
                raise _Short("sound is missing")
            parts.append(part)
            held += len(part)
        samples = np.concatenate(parts)
        self._rest = samples[number:]
        return samples[:number]


def _samples(path: Path, files: ExitStack) -> Iterator[NDArray[np.float32]]:
    container = files.enter_context(av.open(str(path)))
    for frame in container.decode(audio=0):
        yield frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _pictures(folder: Path, files: ExitStack) -> Iterator[NDArray[np.uint8]]:
    for part in count():
        path = folder / PICTURES.format(part)
        if not path.exists():
            return
        for frame in files.enter_context(av.open(str(path))).decode(video=0):
            yield cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24"))
