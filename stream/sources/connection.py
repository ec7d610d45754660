"""One opening of a live input, by a daemon thread of its own that can be left behind when it hangs."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from ebmc_core.modality import Modality
from stream.errors import SourceError
from stream.records import AUDIO_RATE
from stream.sources.buffer import LiveBuffer, PacketBuffer
from stream.sources.decoding import Decoder, open_container, reason
from stream.sources.packets import PacketReader, can_be_copied
from stream.timeline import LiveTimeline

CHUNK = AUDIO_RATE * 32 // 1000  # samples handed on at once: 32 ms, so that windows close on time
PULLED = ("hls", "dash")  # these fetch whole segments at once; they are read at the pace of their timestamps
STRAY = 10.0  # seconds; timestamps that leave the pace by more than this have jumped


def _unknown() -> None:
    """Nothing is known of an input before it is opened."""


@dataclass(frozen=True, slots=True)
class Input:
    """What FFmpeg opens. called: its name in messages. hint: how to mend it when it cannot be opened.

    silence: how long it may send nothing when all is well, if that is longer than the read timeout, seconds.
    check: raises `SourceError` when it is known that it cannot work; the thread calls it before it opens the input.
    """

    called: str
    target: str
    hint: str
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict[str, str])
    silence: float = 0.0
    check: Callable[[], None] = _unknown

    def open(self, timeout: tuple[float, float]) -> InputContainer:
        """timeout: for opening and for each read, seconds. Raises `SourceError`."""
        self.check()
        options = {"format": self.format, "options": dict(self.options), "timeout": timeout}
        return open_container(self.called, self.target, self.hint, **options)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a timeline says at one moment; see `LiveTimeline`. dropped: frames that it did not place, by reason."""

    skew: float
    drift: float
    jumps: int
    origin: float | None
    dropped: Counter[str]


class Gate:
    """The event time of one input, for one connection at a time: what a thread that was left behind reads is void."""

    def __init__(self, share: "Origin") -> None:
        self._timeline = LiveTimeline()
        self._share = share
        self._lock = threading.Lock()
        self._holder: object = None
        self._dropped: Counter[str] = Counter()

    def hand_to(self, connection: object) -> None:
        """From now on only this connection's frames count; None: nobody's."""
        with self._lock:
            self._holder = connection
            if connection is not None:
                self._timeline.restart()

    def read(self) -> Reading:
        """What the timeline says now."""
        with self._lock:
            clock = self._timeline
            return Reading(clock.skew, clock.drift, clock.jumps, clock.origin, Counter(self._dropped))

    def place(
        self, connection: object, kind: Modality, pts: float | None, duration: float, arrival: float
    ) -> float | None:
        """`LiveTimeline.place`, if the connection still counts."""
        with self._lock:
            if connection is not self._holder:
                return None
            self._timeline.origin = self._share.value
            event = self._timeline.place(kind, pts, duration, arrival)
            self._share.value = self._timeline.origin
            if event is None:
                self._dropped["overlap" if self._timeline.began(kind) else "settling"] += 1
            return event


@dataclass(slots=True)
class Origin:
    """The wall clock at event time 0, the same for all inputs of a source; seconds, None until it is known."""

    value: float | None = None


class Connection:
    """Opens the input and puts its frames into the buffer until it ends, fails or is abandoned.

    Into a buffer that takes packets it puts those, where they can be passed on as they are.

    The loop reads: kinds, what the input has, None until it is open. failure: why it ended, None while it runs.
    last: when something happened the last time, on the wall clock, seconds. packets: how many came.
    """

    def __init__(
        self, source: Input, gate: Gate, buffer: LiveBuffer, video_rate: float, timeout: tuple[float, float]
    ) -> None:
        self._input, self._gate, self._buffer = source, gate, buffer
        self._video_rate, self._timeout = video_rate, timeout
        self._abandoned = threading.Event()
        self.kinds: frozenset[Modality] | None = None
        self.failure: str | None = None
        self.begun = self.last = time.monotonic()
        self.packets = 0
        self.jumps = 0
        self._pace: tuple[float, float] | None = None
        self._thread = threading.Thread(target=self._run, name=f"read-{source.called}", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._gate.hand_to(self)
        self._thread.start()

    def abandon(self) -> None:
        """Nothing it reads counts any more. The thread ends as soon as its read does."""
        self._gate.hand_to(None)
        self._abandoned.set()

    @property
    def running(self) -> bool:
        """Whether the thread has not ended, abandoned or not."""
        return self._thread.is_alive()

    def place(self, kind: Modality, pts: float | None, duration: float, arrival: float) -> float | None:
        """This is the decoder's timeline."""
        return self._gate.place(self, kind, pts, duration, arrival)

    def _run(self) -> None:
        try:
            container = self._input.open(self._timeout)
            try:
                self._read(container)
            finally:
                container.close()
            failure = "it ended"
        except (SourceError, FFmpegError, OSError) as error:
            failure = str(error) if isinstance(error, SourceError) else reason(error)
        except Exception as error:  # an input that fails in any way is one that is lost
            failure = repr(error)
        self.failure = failure
        self._buffer.wake()

    def _read(self, container: InputContainer) -> None:
        buffer = self._buffer
        if isinstance(buffer, PacketBuffer) and can_be_copied(container):
            reader, give = self._copying(PacketReader(container, self), buffer)
        else:
            reader, give = self._decoding(Decoder(container, self, self._video_rate, CHUNK, live=True))
        pulled = any(name in container.format.name.split(",") for name in PULLED)
        self.last = time.monotonic()
        self.kinds = reader.kinds
        self._buffer.wake()
        for packet in reader.packets():
            if pulled:
                self._keep_pace(packet)
            if self._abandoned.is_set():
                return
            self.last = time.monotonic()
            self.packets += 1
            give(packet)

    def _decoding(self, decoder: Decoder) -> tuple[Decoder, Callable[[Packet], None]]:
        def give(packet: Packet) -> None:
            for frame in decoder.frames(packet, lambda: self.last):
                if not self._abandoned.is_set():
                    self._buffer.put(frame)

        return decoder, give

    def _copying(self, reader: PacketReader, buffer: PacketBuffer) -> tuple[PacketReader, Callable[[Packet], None]]:
        def give(packet: Packet) -> None:
            placed = reader.placed(packet, lambda: self.last)
            if placed and not self._abandoned.is_set():
                buffer.put_packet(placed)

        return reader, give

    def _keep_pace(self, packet: Packet) -> None:
        if packet.dts is None:
            return
        time_of, now = float(packet.dts * packet.time_base), time.monotonic()
        if self._pace is None or abs(wait := self._pace[0] + time_of - self._pace[1] - now) > STRAY:
            self._pace, wait = (now, time_of), 0.0
        if wait > 0.0:
            self.last = now + wait
            self._abandoned.wait(wait)
