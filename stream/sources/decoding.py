"""An open container: its two streams of interest, and its packets as frames on the event clock."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import av
from av.audio.frame import AudioFrame as DecodedAudio
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame as DecodedVideo
from av.video.stream import VideoStream

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AudioFrame, Frame
from stream.sources.converting import RATES, PictureConverter, SoundConverter
from stream.timeline import Timeline

TEXT_ART = {"tty"}  # FFmpeg opens any .txt as an ANSI animation
PERIOD = 0.04  # seconds from picture to picture where the container does not say


def open_container(name: str, target: Any, hint: str, **options: Any) -> InputContainer:
    """Open a container that has sound or pictures, or raise `SourceError` in one line.

    name: what to call it. target: address, path or object with `read`. hint: how to mend it when it cannot be read.
    options: of `av.open`.
    """
    try:
        container: InputContainer = av.open(target, **options)
    except (FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{name}: cannot be read as media ({reason(error)}); {hint}") from error
    if container.format.name in TEXT_ART or not (container.streams.audio or picture_stream(container)):
        kind = container.format.long_name or container.format.name
        container.close()
        raise SourceError(f"{name}: has neither sound nor pictures ({kind}); name a video or audio file")
    return container


def reason(error: BaseException) -> str:
    """What FFmpeg or the system says went wrong, in words."""
    if isinstance(error, ExitError):  # FFmpeg says that it was told to exit, which PyAV does when time is up
        return "nothing came in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The first video stream that is not the cover of an album."""
    return next((v for v in container.streams.video if not v.disposition & Disposition.attached_pic), None)


class Decoder:
    """Decodes the packets of one container. Used from one thread.

    timeline: gets the event time of each frame. video_rate: pictures per second, at most. chunk: samples per frame of
    sound. live: decode with the least delay, and follow a steered clock.
    """

    def __init__(
        self, container: InputContainer, timeline: Timeline, video_rate: float, chunk: int, live: bool = False
    ) -> None:
        self._container, self._timeline = container, timeline
        self._video = picture_stream(container)
        self._audio = container.streams.audio[0] if container.streams.audio else None
        if self._video:
            self._video.thread_type = "SLICE" if live else "AUTO"  # threads by frame hold a frame each back
        self._sound, self._pictures = SoundConverter(chunk, live), PictureConverter(video_rate)
        self._period = PERIOD
        if self._video and (rate := self._video.average_rate or self._video.guessed_rate) and 1 <= rate <= 240:
            self._period = float(1 / rate)
        both = ((Modality.AUDIO, self._audio), (Modality.VIDEO, self._video))
        self.kinds = frozenset(kind for kind, stream in both if stream is not None)
        self.duration = container.duration / av.time_base if container.duration else None
        self.damaged = 0
        """Packets that could not be decoded."""
        self.unplaced: Counter[Modality] = Counter()
        """Frames that the timeline did not place."""

    def packets(self) -> Iterator[Packet]:
        """The packets of the two streams, as they come. Raises `FFmpegError` and `OSError`."""
        return self._container.demux([stream for stream in (self._audio, self._video) if stream is not None])

    def frames(self, packet: Packet, arrival: Callable[[], float]) -> Iterator[Frame]:
        """The frames that a packet completes; a damaged one is counted and passed over.

        arrival: tells when a frame came in, on the wall clock, seconds.
        """
        try:
            decoded = packet.decode()
        except FFmpegError:
            self.damaged += 1
            return
        for frame in decoded:
            pts = None if frame.pts is None or frame.time_base is None else float(frame.pts * frame.time_base)
            if isinstance(frame, DecodedAudio):
                if not RATES[0] <= frame.sample_rate <= RATES[1]:
                    self.damaged += 1
                    continue
                duration = frame.samples / frame.sample_rate
                event = self._timeline.place(Modality.AUDIO, pts, duration, arrival())
                if event is not None:
                    yield from self._sound.push(event, frame)
                else:
                    self.unplaced[Modality.AUDIO] += 1
            elif isinstance(frame, DecodedVideo):
                event = self._timeline.place(Modality.VIDEO, pts, self._period, arrival())
                if event is not None:
                    yield from self._pictures.push(event, frame)
                else:
                    self.unplaced[Modality.VIDEO] += 1

    def rest(self) -> Iterator[AudioFrame]:
        """Sound that is not yet a whole chunk, at the end."""
        return self._sound.flush()


def origin(container: InputContainer) -> float:
    """The least timestamp of the streams of interest, seconds."""
    streams = [s for s in (*container.streams.audio[:1], picture_stream(container)) if s is not None]
    starts = [float(s.start_time * s.time_base) for s in streams if s.start_time is not None and s.time_base]
    return min(starts, default=0.0)
