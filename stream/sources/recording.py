"""A recording, read from its first frame to its last: files, pipes, and finished recordings on the web."""

from collections.abc import Callable, Iterator

from av.container import InputContainer
from av.error import FFmpegError

from stream.records import AUDIO_RATE, AudioFrame, Frame
from stream.sources.decoding import Decoder, origin, reason
from stream.timeline import RecordedTimeline

CHUNK = AUDIO_RATE // 10  # samples handed on at once: 0.1 s
EARLY = 1.0  # seconds; a recording that ends this much before its declared duration is reported as truncated


class Recording:
    """Every frame of a container that can be decoded, in its order. Used from one thread.

    name: what to call it in a complaint. closing: frees what is below the container. complaint: what was wrong with
    it, once its frames have ended.
    """

    def __init__(
        self, name: str, container: InputContainer, video_rate: float, closing: Callable[[], None] = lambda: None
    ) -> None:
        self._name, self._container, self._closing = name, container, closing
        self.timeline = RecordedTimeline(origin(container))
        self._decoder = Decoder(container, self.timeline, video_rate, CHUNK)
        self.kinds, self.duration = self._decoder.kinds, self._decoder.duration
        self.complaint: str | None = None

    def frames(self) -> Iterator[Frame]:
        """Every frame that can be decoded. Damage is passed over."""
        end = 0.0
        try:
            for packet in self._decoder.packets():
                for frame in self._decoder.frames(packet, lambda: 0.0):
                    end = max(end, frame.end if isinstance(frame, AudioFrame) else frame.pts)
                    yield frame
        except (FFmpegError, OSError) as error:
            self.complaint = f"{self._name}: reading broke off at {end:.1f} s ({reason(error)})"
        for frame in self._decoder.rest():
            end = max(end, frame.end)
            yield frame
        self._judge(end)

    def close(self) -> None:
        """Free the container."""
        self._container.close()
        self._closing()

    def _judge(self, end: float) -> None:
        if self.complaint:
            return
        if self.duration and end < self.duration - EARLY:
            self.complaint = f"{self._name}: is truncated: it ends at {end:.1f} s of {self.duration:.1f} s"
        elif self._decoder.damaged and end == 0.0:
            self.complaint = f"{self._name}: nothing in it can be decoded ({self._decoder.damaged} damaged packets)"
