"""Packets of a live source as they came, at their event times: for who passes media on without decoding it."""

import io
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from ebmc_core.modality import Modality
from stream.records import AudioFrame, Frame
from stream.sources.decoding import PERIOD, picture_stream
from stream.sources.source import Condition
from stream.timeline import Timeline

PICTURES = frozenset({"h264", "hevc", "vp8", "vp9"})  # of others each picture is whole, and thinned out better
SOUND = frozenset({"aac", "opus", "pcm_mulaw", "pcm_alaw"})
LONGEST = 0.2  # seconds that a packet of sound may last


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One stream of one opening of a source. template: to write it into another container. width, height: of pictures,
    0 where that is not known yet. extradata, rate, layout: what its decoder must know; the last two of sound.
    """

    kind: Modality
    codec: str
    template: Any
    width: int = 0
    height: int = 0
    extradata: bytes | None = None
    rate: int = 0
    layout: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MediaPacket:
    """A packet of a track. pts, dts: event time, seconds. key: a decoder can begin here. duration: seconds.

    whole: nothing of its track is missing just before it.
    """

    track: Track
    data: bytes
    pts: float
    dts: float
    key: bool
    duration: float
    whole: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """A source that was opened for its packets. What cannot be passed on as it is comes as frames. As `Media` else."""

    kinds: frozenset[Modality]
    items: AsyncGenerator[Frame | MediaPacket]
    condition: Condition


def kind_of(item: Frame | MediaPacket) -> Modality:
    """Of which kind of media it is."""
    if isinstance(item, MediaPacket):
        return item.track.kind
    return Modality.AUDIO if isinstance(item, AudioFrame) else Modality.VIDEO


def can_be_copied(container: InputContainer) -> bool:
    """Whether all of its streams of interest have codecs whose packets are worth passing on."""
    picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
    named = [(one, allowed) for one, allowed in ((picture, PICTURES), (sound, SOUND)) if one is not None]
    contexts = [(getattr(one, "codec_context", None), allowed) for one, allowed in named]
    return all(context is not None and context.name in allowed for context, allowed in contexts)


class PacketReader:
    """The packets of one container as `MediaPacket`s. Used from one thread; stands in for a `Decoder`."""

    def __init__(self, container: InputContainer, timeline: Timeline) -> None:
        self._container, self._timeline = container, timeline
        picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
        self._streams: list[Any] = [one for one in (picture, sound) if one is not None]
        # a container that is never written: its streams outlive the source's, as templates must
        self._keep: OutputContainer = av.open(io.BytesIO(), "w", format="nut")
        self._tracks = {one.index: self._track(one) for one in self._streams}
        self.kinds = frozenset(track.kind for track in self._tracks.values())
        self._period = PERIOD
        if picture and (rate := picture.average_rate or picture.guessed_rate) and 1 <= rate <= 240:
            self._period = float(1 / rate)
        self._order: dict[int, float] = {}  # when the newest packet was decoded, on the source's clock
        self._untold: set[int] = set()  # streams whose container does not tell that
        self._lost: set[int] = set()
        self.unplaced: Counter[Modality] = Counter()
        """Packets that the timeline did not place."""

    def packets(self) -> Iterator[Packet]:
        """As they come. Raises `FFmpegError` and `OSError`."""
        return self._container.demux(self._streams)

    def placed(self, packet: Packet, arrival: Callable[[], float]) -> MediaPacket | None:
        """The packet on the event clock; None for one that has no time, or does not belong there any more.

        arrival: tells when it came in, on the wall clock, seconds.
        """
        if packet.size == 0:
            return None
        index, track = packet.stream_index, self._tracks[packet.stream_index]
        duration = self._duration(packet, track)
        pts = None if packet.pts is None else float(packet.pts * packet.time_base)
        order = self._placed_by(packet, track, pts)
        event = None if packet.is_corrupt else self._timeline.place(track.kind, order, duration, arrival())
        if event is None:
            self.unplaced[track.kind] += 1
            self._lost.add(index)
            return None
        if order is not None:
            self._order[index] = order
        shown = event + (pts - order if pts is not None and order is not None else 0.0)
        whole = index not in self._lost
        self._lost.discard(index)
        return MediaPacket(track, bytes(packet), max(shown, 0.0), event, packet.is_keyframe, duration, whole)

    def _placed_by(self, packet: Packet, track: Track, pts: float | None) -> float | None:
        """A time that does not fall from packet to packet, seconds on the source's clock: when it is decoded.

        Where a container does not tell that of all pictures, it is the latest moment that one is shown so far.
        """
        if track.kind is Modality.VIDEO and packet.dts is None:
            self._untold.add(packet.stream_index)
        if packet.stream_index not in self._untold:
            return pts if packet.dts is None else float(packet.dts * packet.time_base)
        before = self._order.get(packet.stream_index)
        return pts if before is None or pts is None else max(before, pts)

    def _duration(self, packet: Packet, track: Track) -> float:
        if track.kind is Modality.VIDEO:
            return self._period
        told = float((packet.duration or 0) * packet.time_base)
        samples = getattr(packet.stream.codec_context, "frame_size", 0) or 0
        return told if 0.0 < told < LONGEST else samples / track.rate if track.rate else 0.0

    def _track(self, stream: Any) -> Track:
        context, template = stream.codec_context, self._keep.add_stream_from_template(stream)
        if stream.type == "video":
            return Track(Modality.VIDEO, context.name, template, context.width, context.height, context.extradata)
        rate, layout = context.sample_rate, context.layout.name
        return Track(Modality.AUDIO, context.name, template, 0, 0, context.extradata, rate, layout)
