"""A live source into chunks: its packets as they are as long as they allow it, then frames that are encoded anew."""

import logging
from collections.abc import Iterable

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk
from stream.chunks.cutting import Cutter
from stream.chunks.packet_cutting import PacketCutter, Uncopyable
from stream.chunks.packet_decoding import PacketDecoder
from stream.records import Frame
from stream.sources.packets import MediaPacket

log = logging.getLogger(__name__)


class LiveCutter:
    """One run of a stream. Once its packets cannot be copied they are decoded, to the end of the run.

    Blocks: call it in a thread. copied: whether the newest chunk was made without encoding.
    """

    def __init__(
        self, stream: str, run: str, kinds: frozenset[Modality], length: float, lateness: float, video_rate: float
    ) -> None:
        """length, lateness: seconds. video_rate: pictures a second of frames, at most."""
        self._packets: PacketCutter | None = PacketCutter(stream, run, kinds, length, lateness, video_rate)
        self._frames = Cutter(stream, run, kinds, length, lateness)
        self._decoder = PacketDecoder(video_rate)
        self._late = 0

    @property
    def copied(self) -> bool:
        """Whether packets are copied now."""
        return self._packets is not None

    @property
    def late(self) -> int:
        """Packets and frames that are in no chunk."""
        return self._late + self._frames.late + (self._packets.late if self._packets else 0)

    @property
    def origin(self) -> float | None:
        """Unix time at event time 0, seconds."""
        return self._frames.origin

    @origin.setter
    def origin(self, origin: float) -> None:
        self._frames.origin = origin
        if self._packets:
            self._packets.origin = origin

    def push(self, item: Frame | MediaPacket) -> list[Chunk]:
        """Take what came next; returns the chunks that are complete, in order."""
        if not isinstance(item, MediaPacket):
            return [*self._settled(), *self._frames.push(item)]
        if self._packets is None:
            return self._encoded([item])
        try:
            return self._packets.push(item)
        except Uncopyable as reason:
            return self._fallen_back(self._packets, reason)

    def finish(self) -> list[Chunk]:
        """The stream has ended: what is left. The last chunk says that it is the last."""
        before: list[Chunk] = []
        if self._packets:
            try:
                return self._packets.finish()
            except Uncopyable as reason:
                before = self._fallen_back(self._packets, reason)
        rest = [chunk for frame in self._decoder.rest() for chunk in self._frames.push(frame)]
        return [*before, *rest, *self._frames.finish()]

    def _fallen_back(self, packets: PacketCutter, reason: Uncopyable) -> list[Chunk]:
        log.warning("%s: its packets cannot be copied (%s); encoding anew", self._frames.stream, reason)
        held = packets.held
        self._change(packets)
        return [*reason.chunks, *self._encoded(held)]

    def _encoded(self, packets: Iterable[MediaPacket]) -> list[Chunk]:
        frames = (frame for packet in packets for frame in self._decoder.frames(packet))
        return [chunk for frame in frames for chunk in self._frames.push(frame)]

    def _settled(self) -> list[Chunk]:
        """The source gives frames: whatever was copied until now is one chunk more."""
        if not self._packets:
            return []
        packets = self._packets
        try:
            chunks = packets.finish(last=False)
        except Uncopyable as reason:
            return self._fallen_back(packets, reason)
        self._change(packets)
        return chunks

    def _change(self, packets: PacketCutter) -> None:
        self._frames.begin, self._frames.sequence = packets.begin, packets.sequence
        self._late, self._packets = packets.late, None
