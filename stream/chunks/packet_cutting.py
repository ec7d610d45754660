"""A live stream's packets into chunks that begin at key frames. Pure: no clock, no loop.

pictures   K . . . . K . . . . K . . . . K       K: a decoder can begin here
chunks     |-- 0 ----|-- 1 --------|-- 2 ...     cut at the first K that is `length` after the beginning
sound     =|=========|=============|========     each chunk has a little of that before, for its decoder
"""

from collections import deque
from dataclasses import dataclass, field

from av.error import FFmpegError

from ebmc_core.modality import Modality
from stream.chunks.chunk import LARGEST, Chunk
from stream.chunks.container import container_of
from stream.chunks.reading import HELD
from stream.sources.decoding import reason as reason_of
from stream.sources.packets import MediaPacket, Track

GROUP = 4.0  # seconds from key frame to key frame, at most: a chunk is at most so much longer than asked
PREROLL = 0.2  # seconds of sound before a chunk, from which its decoder finds its way
HOLE = 5.0  # seconds; a longer step in event time ends a chunk
SAME = 1e-6
FULL = 0.9  # share of what a chunk may hold


class Uncopyable(Exception):
    """The packets of this stream make no chunks; why, in words. chunks: those that were made all the same."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.chunks: list[Chunk] = []


@dataclass(slots=True)
class PacketCutter:
    """A chunk is cut once every kind was seen up to its end; one that lags by more than `lateness` is not waited for.

    length, lateness: seconds. video_rate: pictures a second that who reads the chunks makes into pixels. origin: Unix
    time at event time 0, seconds. sequence: of the next chunk. late: packets that came when their chunk had been cut,
    or could not be decoded without those before.
    """

    stream: str
    run: str
    kinds: frozenset[Modality]
    length: float
    lateness: float
    video_rate: float
    origin: float | None = None
    sequence: int = 0
    late: int = 0
    _packets: deque[tuple[float, MediaPacket]] = field(default_factory=deque[tuple[float, MediaPacket]])
    _cuts: deque[float] = field(default_factory=deque[float])
    _seen: dict[Modality, float] = field(default_factory=dict[Modality, float])
    _tracks: dict[Modality, Track] = field(default_factory=dict[Modality, Track])
    _start: float | None = None
    _key: float | None = None  # when the newest key frame is shown; None: one is waited for
    _since: float | None = None  # since when it is waited for
    _first: bool = True  # no chunk was cut yet of what belongs together
    _until: float = 0.0  # where the chunk before ended
    _size: int = 0

    def push(self, packet: MediaPacket) -> list[Chunk]:
        """Take the next packet; returns the chunks that are complete, in order.

        Raises `Uncopyable`; `held` then has what is in no chunk yet, this packet included.
        """
        chunks: list[Chunk] = []
        try:
            if self._breaks(packet):
                self._part(chunks)
            self._tracks[packet.track.kind] = packet.track
            self._take(packet)
            self._complete(chunks)
        except Uncopyable as reason:
            reason.chunks = chunks
            raise
        return chunks

    def finish(self, last: bool = True) -> list[Chunk]:
        """What is left. last: the stream has ended, and the last chunk says so. Raises `Uncopyable`, as `push` does."""
        chunks: list[Chunk] = []
        try:
            self._part(chunks, last)
        except Uncopyable as reason:
            reason.chunks = chunks
            raise
        return chunks

    @property
    def held(self) -> list[MediaPacket]:
        """What is in no chunk yet."""
        return [packet for moment, packet in self._packets if moment >= self.begin]

    @property
    def begin(self) -> float:
        """Event time at which the next chunk begins, seconds."""
        return self._until if self._start is None else self._start

    def _take(self, packet: MediaPacket) -> None:
        kind = packet.track.kind
        if kind is Modality.VIDEO and not self._decodable(packet):
            self.late += 1
            return
        moment = self._key if kind is Modality.VIDEO and self._key is not None else packet.pts
        if self._start is None or (self._first and self._until <= moment < self._start):
            self._start = moment
        if moment < self._start:
            self.late += 1
            return
        self._packets.append((moment, packet))
        self._seen[kind] = max(self._seen.get(kind, 0.0), moment if kind is Modality.VIDEO else packet.pts)
        self._size += len(packet.data)
        self._mark(packet, moment)
        self._check(packet)

    def _breaks(self, packet: MediaPacket) -> bool:
        """Whether it has nothing to do with what is held: of another opening of the source, or long after it."""
        if not self._seen:
            return False
        other = self._tracks.get(packet.track.kind, packet.track) is not packet.track
        return other or packet.dts > max(self._seen.values()) + HOLE

    def _decodable(self, packet: MediaPacket) -> bool:
        """Whether a decoder that began at a key frame has all that it needs."""
        if packet.key:
            self._key, self._since = packet.pts, None
            return True
        if not packet.whole:
            self._key = None
        if self._key is None:
            self._since = packet.dts if self._since is None else self._since
            if packet.dts - self._since > GROUP:
                self._packets.append((packet.pts, packet))
                raise Uncopyable(f"no key frame came within {GROUP:g} s")
        return self._key is not None

    def _mark(self, packet: MediaPacket, moment: float) -> None:
        """Note where the chunk ends, if this packet says so."""
        due = (self._cuts[-1] if self._cuts else self.begin) + self.length - SAME
        if packet.track.kind is Modality.VIDEO:
            here = packet.key and moment >= due
        elif Modality.VIDEO in self.kinds:  # pictures have stopped
            here = moment >= due + GROUP + self.lateness
        else:
            here = moment >= due
        if here:
            self._cuts.append(moment)

    def _check(self, packet: MediaPacket) -> None:
        track, begin = packet.track, self._cuts[-1] if self._cuts else self.begin
        if self._size > FULL * LARGEST:
            raise Uncopyable(f"a chunk would be larger than {LARGEST >> 20} MiB")
        if track.kind is not Modality.VIDEO:
            return
        if self._key is not None and packet.dts > self._key + GROUP:
            raise Uncopyable(f"its key frames are more than {GROUP:g} s apart")
        if self._key is not None and packet.pts < self._key - SAME:
            raise Uncopyable("some of its pictures need those before a key frame")
        seconds = max(self.length, packet.dts - begin)
        if seconds * self.video_rate * track.width * track.height * 3 > FULL * HELD:
            raise Uncopyable(f"its pictures are too large for chunks of {seconds:.0f} s")

    def _complete(self, chunks: list[Chunk]) -> None:
        """Add the chunks that nothing more comes for."""
        slowest = min(self._seen.get(kind, 0.0) for kind in self.kinds)
        complete = max(slowest, max(self._seen.values(), default=0.0) - self.lateness)
        while self._cuts and self._cuts[0] <= complete + SAME:
            chunks.append(self._chunk(self._cuts[0], False))
            self._cuts.popleft()

    def _part(self, chunks: list[Chunk], last: bool = False) -> None:
        """Add all that is held; what comes next has nothing to do with it. last: nothing comes."""
        while self._cuts:
            chunks.append(self._chunk(self._cuts[0], False))
            self._cuts.popleft()
        left = self.held
        if left or last:
            end = max((packet.pts + packet.duration for packet in left), default=self.begin)
            chunks.append(self._chunk(end + SAME if left else end, last))
        self._until = chunks[-1].end if chunks else self.begin
        self._packets.clear()
        self._seen.clear()
        self._tracks.clear()
        self._start = self._key = self._since = None
        self._size, self._first = 0, True

    def _chunk(self, end: float, last: bool) -> Chunk:
        start, sequence = self.begin, self.sequence
        inside = [
            packet
            for moment, packet in self._packets
            if moment < end - SAME and (moment >= start or packet.track.kind is Modality.AUDIO)
        ]
        try:
            media = container_of(inside)
        except FFmpegError as error:
            raise Uncopyable(f"they cannot be written into a container: {reason_of(error)}") from error
        self._packets = deque(
            (moment, packet)
            for moment, packet in self._packets
            if moment >= end - SAME or (packet.track.kind is Modality.AUDIO and moment >= end - PREROLL)
        )
        self._start, self._first, self.sequence = end, False, sequence + 1
        self._size = sum(len(packet.data) for _, packet in self._packets)
        return Chunk(self.stream, self.run, sequence, self.kinds, start, end, media, last, self.origin)
