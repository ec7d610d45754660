"""Media files, decoded by PyAV in a thread of their own."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame as DecodedAudio
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame as DecodedVideo
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame
from stream.sources.source import Media

CHUNK = AUDIO_RATE // 10  # samples handed on at once: 0.1 s
JUMP = 0.1  # seconds; a larger step between audio timestamps is a gap, a smaller one is rounding
EARLY = 1.0  # seconds; a file that ends this much before its declared duration is reported as truncated
TEXT_ART = {"tty"}  # FFmpeg opens any .txt as an ANSI animation


class FileSource:
    """A media file with sound, pictures, or both.

    At most `video_rate` pictures per second are decoded to pixels; sound becomes 16 kHz mono. Raises `SourceError` when
    made for a file that is missing or holds no media, so that this is known before any model is loaded.
    """

    live = False

    def __init__(self, path: str, video_rate: float) -> None:
        self.path = Path(path)
        self.name = self.path.stem or "file"
        self._video_rate = video_rate
        if not self.path.is_fifo():  # a pipe can be opened once only
            open_media(self.path).close()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Open the file. Raises `SourceError` when it is missing or holds neither sound nor pictures."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix=f"decode-{self.name}") as worker:
            container = await loop.run_in_executor(worker, open_media, self.path)
            try:
                reader = Reader(self.path, container, self._video_rate)
                yield Media(reader.kinds, reader.duration, _frames(reader, worker))
            finally:
                await loop.run_in_executor(worker, container.close)


async def _frames(reader: "Reader", worker: ThreadPoolExecutor) -> AsyncGenerator[Frame]:
    loop = asyncio.get_running_loop()
    decoded = reader.frames()
    while frames := await loop.run_in_executor(worker, lambda: list(islice(decoded, 8))):
        for frame in frames:
            yield frame
    if reader.complaint:
        raise SourceError(reader.complaint)


def open_media(path: Path) -> InputContainer:
    """Open a container that has sound or pictures, or raise `SourceError` in one line."""
    if not path.exists():
        raise SourceError(f"{path}: there is no such file")
    if path.is_dir():
        raise SourceError(f"{path}: is a folder; name a media file")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path}: the file is empty (0 bytes)")
    try:
        container = av.open(str(path))
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(
            f"{path}: cannot be read as media ({reason}); is it complete, and a video or audio file?"
        ) from error
    if container.format.name in TEXT_ART or not (container.streams.audio or _pictures(container)):
        kind = container.format.long_name or container.format.name
        container.close()
        raise SourceError(f"{path}: has neither sound nor pictures ({kind}); name a video or audio file")
    return container


def _pictures(container: InputContainer) -> VideoStream | None:
    """The first video stream that is not the cover of an album."""
    return next((v for v in container.streams.video if not v.disposition & Disposition.attached_pic), None)


class Reader:
    """Pulls frames out of an open container, in file order. Used from one thread."""

    def __init__(self, path: Path, container: InputContainer, video_rate: float) -> None:
        self._path, self._container, self._interval = path, container, 1.0 / video_rate
        self._video = _pictures(container)
        self._audio = container.streams.audio[0] if container.streams.audio else None
        if self._video:
            self._video.thread_type = "AUTO"
        self._streams = [stream for stream in (self._audio, self._video) if stream is not None]
        starts = [float(s.start_time * s.time_base) for s in self._streams if s.start_time is not None and s.time_base]
        self._origin = min(starts, default=0.0)
        self.kinds = frozenset(
            kind
            for kind, stream in ((Modality.AUDIO, self._audio), (Modality.VIDEO, self._video))
            if stream is not None
        )
        self.duration = container.duration / av.time_base if container.duration else None
        self.complaint: str | None = None
        self._next_picture = 0.0
        self._pending: list[NDArray[np.float32]] = []  # resampled sound that is not yet a whole chunk
        self._pending_pts: float | None = None
        self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)

    def frames(self) -> Iterator[Frame]:
        """Every frame that can be decoded. Damage is skipped and told in `complaint` once the frames have ended."""
        end, damaged = 0.0, 0
        try:
            for packet in self._container.demux(self._streams):
                try:
                    decoded = packet.decode()
                except FFmpegError:
                    damaged += 1
                    continue
                for frame in decoded:
                    for record in self._records(cast("DecodedAudio | DecodedVideo", frame)):
                        end = max(end, record.end if isinstance(record, AudioFrame) else record.pts)
                        yield record
        except (FFmpegError, OSError) as error:
            self.complaint = f"{self._path}: reading broke off at {end:.1f} s ({error.strerror or error})"
        for record in self._rest_of_sound():
            end = max(end, record.end)
            yield record
        self._judge(end, damaged)

    def _judge(self, end: float, damaged: int) -> None:
        if self.complaint:
            return
        if self.duration and end < self.duration - EARLY:
            self.complaint = f"{self._path}: is truncated: it ends at {end:.1f} s of {self.duration:.1f} s"
        elif damaged and end == 0.0:
            self.complaint = f"{self._path}: nothing in it can be decoded ({damaged} damaged packets)"

    def _records(self, frame: DecodedAudio | DecodedVideo) -> Iterator[Frame]:
        if isinstance(frame, DecodedVideo):
            pts = self._next_picture if (time := self._event_time(frame)) is None else time
            if pts >= self._next_picture - 1e-6:
                # the next slot of the grid, so that a steady camera is thinned steadily
                self._next_picture = (np.floor(pts / self._interval + 1e-6) + 1) * self._interval
                yield VideoFrame(max(pts, 0.0), cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24")))
            return
        pts = self._event_time(frame)
        if pts is not None and self._pending_pts is not None and abs(pts - self._pending_end()) > JUMP:
            yield from self._rest_of_sound()
        if self._pending_pts is None:
            self._pending_pts = max(pts or 0.0, 0.0)
        frame.pts = None  # one resampler serves all of the sound; gaps are handled above
        try:
            parts = self._resampler.resample(frame)
        except ValueError:  # the file changes its rate or its channels on the way
            yield from self._rest_of_sound()
            self._pending_pts, parts = max(pts or 0.0, 0.0), self._resampler.resample(frame)
        self._pending += [part.to_ndarray()[0] for part in parts]
        yield from self._whole_chunks()

    def _event_time(self, frame: DecodedAudio | DecodedVideo) -> float | None:
        if frame.pts is None or frame.time_base is None:
            return None
        return float(frame.pts * frame.time_base) - self._origin

    def _pending_end(self) -> float:
        return (self._pending_pts or 0.0) + sum(map(len, self._pending)) / AUDIO_RATE

    def _whole_chunks(self) -> Iterator[AudioFrame]:
        if sum(map(len, self._pending)) < CHUNK or self._pending_pts is None:
            return
        samples = np.concatenate(self._pending).astype(np.float32)
        whole = len(samples) // CHUNK * CHUNK
        for start in range(0, whole, CHUNK):
            yield AudioFrame(self._pending_pts + start / AUDIO_RATE, samples[start : start + CHUNK])
        self._pending = [samples[whole:]]
        self._pending_pts += whole / AUDIO_RATE

    def _rest_of_sound(self) -> Iterator[AudioFrame]:
        if self._pending_pts is not None:
            tail = [part.to_ndarray()[0] for part in self._resampler.resample(None)]
            self._resampler = AudioResampler(format="flt", layout="mono", rate=AUDIO_RATE)
            samples = np.concatenate([*self._pending, *tail, np.empty(0, np.float32)]).astype(np.float32)
            if len(samples):
                yield AudioFrame(self._pending_pts, samples)
        self._pending, self._pending_pts = [], None
