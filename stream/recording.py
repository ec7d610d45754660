"""A live session on disk: every record of its inbox, without loss, so that it replays to the same events.

    FOLDER/STREAM/records.jsonl   one line a record: what it is, its event time, when it came
    FOLDER/STREAM/sound.wav       the samples of all audio frames, 16 kHz, float32
    FOLDER/STREAM/pictures-0.mkv  the pictures that were looked at, FFV1; a new file where their size changes

Only on demand: it keeps pictures and sound of people.
"""

import json
import queue
import threading
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import av
import numpy as np
from av.audio.frame import AudioFrame as EncodedAudio
from av.audio.stream import AudioStream
from av.error import FFmpegError
from av.video.frame import VideoFrame as EncodedVideo
from av.video.stream import VideoStream

from ebmc_core.modality import Modality
from stream.errors import SinkError
from stream.inbox import Arrival, Heard, Mark, Passed, Record, Tick
from stream.records import AUDIO_RATE, AudioFrame, VideoFrame

SCHEMA = "ebmc.recording/1"
RECORDS, SOUND, PICTURES = "records.jsonl", "sound.wav", "pictures-{}.mkv"
WAITING = 512  # records that may wait to be written
RATE = 10  # pictures per second that the file is declared to have; their times are in the records


class Recorder:
    """Writes the inboxes of a run below `folder`. Leaving it waits until everything is written.

    Raises `SinkError` when made for a folder that is not empty, and from `keep` when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise SinkError(f"{folder}: is not an empty folder; a recording needs one of its own")
        self._folder, self._streams = folder, ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._streams.close()

    def stream(self, name: str, kinds: frozenset[Modality]) -> Callable[[Arrival], None]:
        """Begin to record one stream; call what is returned with every arrival, in order."""
        safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
        return self._streams.enter_context(_Writing(self._folder / safe, name, kinds)).keep


class _Writing:
    """One stream, written in a thread of its own."""

    def __init__(self, folder: Path, name: str, kinds: frozenset[Modality]) -> None:
        self._folder, self._header = folder, {"schema": SCHEMA, "stream": name, "kinds": sorted(kinds)}
        self._queue: queue.Queue[Arrival | None] = queue.Queue(WAITING)
        self._failure: OSError | FFmpegError | None = None
        self._thread = threading.Thread(target=self._write, name=f"record-{name}", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True)
        except OSError as error:
            raise SinkError(f"{self._folder}: cannot be written ({error.strerror}); choose another folder") from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._queue.put(None)
        self._thread.join()
        if self._failure and error is None:
            self._complain()

    def keep(self, arrival: Arrival) -> None:
        """Write one more record. Raises `SinkError` when that is not possible any more."""
        if self._failure:
            self._complain()
        try:
            self._queue.put_nowait(arrival)
        except queue.Full:
            raise SinkError(
                f"{self._folder}: the disk cannot keep up with the recording; choose a faster one"
            ) from None

    def _complain(self) -> None:
        reason = self._failure.strerror if self._failure else None
        raise SinkError(f"{self._folder}: the recording broke off ({reason or self._failure}); free some space")

    def _write(self) -> None:
        try:
            with ExitStack() as files:
                log = files.enter_context((self._folder / RECORDS).open("w", encoding="utf-8"))
                log.write(json.dumps(self._header) + "\n")
                media = files.enter_context(_MediaFiles(self._folder))
                while arrival := self._queue.get():
                    _write_line(log, arrival)
                    media.write(arrival.record)
        except (OSError, FFmpegError) as error:
            self._failure = error
            while self._queue.get():  # so that nobody waits for room
                pass


def _write_line(log: IO[str], arrival: Arrival) -> None:
    line: dict[str, Any] = {"at": arrival.at}
    if arrival.busy:
        line["busy"] = True
    if arrival.pending:
        line["pending"] = arrival.pending
    match arrival.record:
        case AudioFrame() as sound:
            line |= {"audio": sound.pts, "samples": len(sound.samples)}
        case VideoFrame() as picture:
            line |= {"video": picture.pts, "size": [*picture.image.shape[:2]]}
        case Passed(pts):
            line["passed"] = pts
        case Heard():
            line["heard"] = True
        case Tick():
            line["tick"] = True
        case Mark(until):
            line["mark"] = until
    log.write(json.dumps(line) + "\n")


class _MediaFiles:
    """The sound and the pictures of one stream."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, ExitStack()
        self._sound: tuple[Any, AudioStream] | None = None
        self._pictures: tuple[Any, VideoStream] | None = None
        self._size: tuple[int, ...] = ()
        self._parts = self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._files:
            for container, stream in filter(None, (self._sound, self._pictures)):
                container.mux(stream.encode(None))

    def write(self, record: Record) -> None:
        """Add what has samples or pixels."""
        if isinstance(record, AudioFrame):
            self._hear(record)
        elif isinstance(record, VideoFrame):
            self._see(record)

    def _hear(self, sound: AudioFrame) -> None:
        if self._sound is None:
            container = self._files.enter_context(av.open(str(self._folder / SOUND), "w"))
            stream = container.add_stream("pcm_f32le", rate=AUDIO_RATE)
            stream.layout = "mono"
            self._sound = container, stream
        container, stream = self._sound
        frame = EncodedAudio.from_ndarray(np.ascontiguousarray(sound.samples[None]), format="flt", layout="mono")
        frame.rate = AUDIO_RATE
        container.mux(stream.encode(frame))

    def _see(self, picture: VideoFrame) -> None:
        if self._pictures is None or picture.image.shape != self._size:
            self._open_pictures(picture)
        assert self._pictures
        container, stream = self._pictures
        frame = EncodedVideo.from_ndarray(picture.image, format="rgb24").reformat(format="bgr0")
        frame.pts, frame.time_base = self._shown, Fraction(1, RATE)
        self._shown += 1
        container.mux(stream.encode(frame))

    def _open_pictures(self, picture: VideoFrame) -> None:
        if self._pictures:
            container, stream = self._pictures
            container.mux(stream.encode(None))
            container.close()
        container = self._files.enter_context(av.open(str(self._folder / PICTURES.format(self._parts)), "w"))
        stream = container.add_stream("ffv1", rate=RATE)
        stream.height, stream.width = picture.image.shape[:2]
        stream.pix_fmt = "bgr0"
        self._pictures, self._size = (container, stream), picture.image.shape
        self._parts, self._shown = self._parts + 1, 0
