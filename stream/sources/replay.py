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
from stream.printable import one_line, printable
from stream.recording import PICTURES, RECORDS, SCHEMA, SOUND
from stream.records import AudioFrame, VideoFrame
from stream.settings import Settings
from stream.sources.source import Media

DAY = 86_400.0  # seconds
MOST = 2**31  # samples of a frame, pictures that wait
LONGEST = 300  # letters of what is said of a recording


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
        schema = header["schema"]
        if schema == SCHEMA:
            return printable(str(header["stream"])), frozenset(Modality(kind) for kind in header["kinds"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(
            f"{folder}: holds no recording; name the folder of one stream inside the one that --record made"
        ) from error
    said = one_line(str(schema), LONGEST)
    raise SourceError(f"{folder}: is a recording of another version ({said}, this program reads {SCHEMA})")


def recorded(folder: Path, files: ExitStack) -> Iterator[Arrival]:
    """The arrivals, in order. files: closes what is read. Raises `SourceError` when the recording is not whole."""
    try:
        log = files.enter_context((folder / RECORDS).open(encoding="utf-8"))
        log.readline()
        lines = _Lines(_Sound(folder / SOUND, files), _pictures(folder, files))
        for text in log:
            yield lines.arrival(json.loads(text))
    except (OSError, FFmpegError, ValueError, LookupError, RecursionError, _Short) as error:
        raise SourceError(one_line(f"{folder}: the recording is not whole ({error})", LONGEST)) from error


class _Short(Exception):
    """The media of a recording end before its records do."""


class _Lines:
    """Lines of a recording, with their media, as arrivals. Raises `ValueError` and `KeyError` for what is no record."""

    def __init__(self, sound: "_Sound", pictures: Iterator[NDArray[np.uint8]]) -> None:
        self._sound, self._pictures = sound, pictures
        self._farthest = 0.0

    def arrival(self, line: Any) -> Arrival:
        """The record of a line, as it came in."""
        if not isinstance(line, dict):
            raise ValueError("a line is no record")
        at = None if line["at"] is None else self._time(line["at"])
        busy, pending = line.get("busy", False), line.get("pending", 0)
        if not isinstance(busy, bool) or not _is_count(pending):
            raise ValueError("a line is no record")
        return Arrival(self._record(line), at, busy, pending)

    def _record(self, line: dict[str, Any]) -> Record:
        if "audio" in line:
            if not _is_count(line["samples"]):
                raise ValueError("a line has no number of samples")
            return AudioFrame(self._time(line["audio"]), self._sound.take(line["samples"]))
        if "video" in line:
            image = next(self._pictures, None)
            if image is None or [*image.shape[:2]] != line["size"]:
                raise _Short("a picture is missing")
            return VideoFrame(self._time(line["video"]), image)
        if "passed" in line:
            return Passed(self._time(line["passed"]))
        if "mark" in line:
            return Mark(self._time(line["mark"]))
        return Heard() if "heard" in line else Tick()

    def _time(self, value: object) -> float:
        """Seconds of event time. Every window up to it is made, so it goes on by no more than a day at once."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not -DAY < value < self._farthest + DAY:
            raise ValueError(f"a time of {str(value)[:40]} s")
        self._farthest = max(self._farthest, value)
        return value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


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
    container = files.enter_context(av.open(str(path), format="wav"))  # and nothing that names other files
    for frame in container.decode(audio=0):
        yield frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def _pictures(folder: Path, files: ExitStack) -> Iterator[NDArray[np.uint8]]:
    for part in count():
        path = folder / PICTURES.format(part)
        if not path.exists():
            return
        for frame in files.enter_context(av.open(str(path), format="matroska")).decode(video=0):
            yield cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24"))
