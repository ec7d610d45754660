"""A media file into chunks without encoding it anew: packets are only put into other containers.

That needs pictures that can be decoded from the beginning of a chunk on, so a chunk begins at a key frame. Sound is cut
anywhere; a chunk begins with the sound of a moment before, from which its decoder finds its way.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk
from stream.chunks.container import AS_THEY_ARE, decoding_times, rising
from stream.sources.decoding import origin, picture_stream
from stream.sources.file import open_media

GROUP = 2.0  # seconds from key frame to key frame, at most: chunks must be short
PREROLL = 0.2  # seconds of sound before a chunk
JUMP = 5.0  # seconds; a longer step between timestamps is not simply a pause
EARLY = 1.0  # seconds
SAME = 1e-6
TICK = Fraction(1, 1000)  # seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to cut, in seconds of event time; the first is 0, the last the end. zero: timestamp at event time 0."""

    cuts: tuple[float, ...]
    zero: float


def copied(path: Path, stream: str, run: str, length: float, lateness: float = math.inf) -> "CopiedFile | None":
    """A file as chunks; None where it must be encoded anew. Reads the whole file to know. Raises `SourceError`.

    lateness: seconds by which one kind may lag behind the other before it is not waited for.
    """
    with open_media(path) as container:
        plan = _planned(container, length)
    if plan is None or len(plan.cuts) < 2:
        return None
    return CopiedFile(path, stream, run, plan, lateness)


def _planned(container: InputContainer, length: float) -> Plan | None:
    picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
    if any(getattr(one, "codec_context", None) is None for one in (picture, sound) if one is not None):
        return None  # what nobody here can decode is not passed on
    zero, keys, newest, end, last = origin(container), list[float](), -1.0, 0.0, dict[int, float]()
    try:
        for packet in container.demux([one for one in (picture, sound) if one is not None]):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.is_corrupt or (packet.dts is None and packet.stream is not picture):
                return None
            event = float(packet.pts * packet.time_base) - zero
            if packet.dts is not None:  # Matroska does not tell when its first pictures are decoded
                order = float(packet.dts * packet.time_base) - zero
                before = last.setdefault(packet.stream_index, order)
                if not before - SAME <= order <= before + JUMP:
                    return None
                last[packet.stream_index] = order
            end = max(end, event + float((packet.duration or 0) * packet.time_base))
            if packet.stream is not picture:
                continue
            if packet.is_keyframe:
                keys.append(event)
            elif not keys or event < keys[-1]:  # it needs pictures from before the key frame
                return None
            newest = max(newest, event)
    except FFmpegError:
        return None
    if container.duration and end < container.duration / av.time_base - EARLY:
        return None  # it is cut off: whoever reads it frame by frame says so
    if sound is not None and sound.codec_context.name.startswith("mp3") and "mov" in container.format.name:
        return None  # most of these packets do not come back out of NUT
    if picture is None:
        keys = [n * length for n in range(int(end / length) + 1)]
    elif not keys or max(b - a for a, b in zip(keys, [*keys[1:], newest], strict=True)) > GROUP or keys[0] > GROUP:
        return None
    cuts = [0.0]
    for key in keys:
        if key - cuts[-1] >= length - SAME:
            cuts.append(key)
    if len(cuts) > 1 and end - cuts[-1] < length / 4:
        cuts.pop()  # what little is left goes with the chunk before
    return Plan((*cuts, max(end, cuts[-1]) + SAME), zero)


class CopiedFile:
    """The chunks of a file that can be copied, each time from the beginning.

    late: packets that came when their chunk had been cut; lateness: seconds by which a kind may lag before that.
    """

    def __init__(self, path: Path, stream: str, run: str, plan: Plan, lateness: float) -> None:
        self._path, self._stream, self._run, self._plan, self._lateness = path, stream, run, plan, lateness
        self.late = 0

    def __iter__(self) -> Iterator[Chunk]:
        """Read it. Raises `FFmpegError`."""
        with open_media(self._path) as container:
            yield from self._chunks(container)

    def _chunks(self, container: InputContainer) -> Iterator[Chunk]:
        cuts, zero = self._plan.cuts, self._plan.zero
        picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
        kinds = frozenset(k for k, one in ((Modality.VIDEO, picture), (Modality.AUDIO, sound)) if one is not None)
        waiting: list[tuple[float, Any, Packet]] = []  # moment, stream, packet
        seen = dict.fromkeys((one.index for one in (picture, sound) if one is not None), 0.0)
        number, key = 0, 0.0

        def cut() -> Chunk:
            start, end = cuts[number : number + 2]
            inside = [one for one in waiting if one[0] < end - SAME and one[0] >= start - PREROLL]
            inside = [one for one in inside if one[1] is not picture or one[0] >= start - SAME]
            waiting[:] = [one for one in waiting if one[0] >= end - PREROLL]
            last = number == len(cuts) - 2
            return Chunk(self._stream, self._run, number, kinds, start, end, _container(inside, zero), last)

        for packet in container.demux([one for one in (picture, sound) if one is not None]):
            if packet.size == 0 or packet.pts is None:
                continue
            moment = float(packet.pts * packet.time_base) - zero
            if packet.stream is picture:
                key = moment if packet.is_keyframe else key
                moment = key  # a picture belongs where its key frame is
            if moment < cuts[number] - SAME and number > 0:
                self.late += 1
                continue
            waiting.append((moment, packet.stream, packet))
            seen[packet.stream_index] = max(seen[packet.stream_index], moment)
            complete = max(min(seen.values()), max(seen.values()) - self._lateness)
            while number < len(cuts) - 2 and complete >= cuts[number + 1]:
                yield cut()
                number += 1
        while number < len(cuts) - 1:
            yield cut()
            number += 1


def _container(packets: list[tuple[float, Any, Packet]], zero: float) -> bytes:
    """Packets in a container of their own, at their event times. The source's packets stay as they are."""
    if not packets:
        return b""
    out = io.BytesIO()
    with av.open(out, "w", format="nut", options=AS_THEY_ARE) as container:
        copies: dict[int, Any] = {}
        made: list[Any] = []
        for _, stream, _packet in packets:
            if stream.index not in copies:
                copies[stream.index] = container.add_stream_from_template(stream)
        for index, target in copies.items():
            mine = [packet for _, stream, packet in packets if stream.index == index]
            base = mine[0].time_base
            shift = round(zero / base)
            mine = [packet for packet in mine if (packet.pts or 0) >= shift]  # NUT has no time before 0
            shown = [(packet.pts or 0) - shift for packet in mine]
            told = [packet.dts for packet in mine]
            decoded = decoding_times(shown) if None in told else [max(0, (dts or 0) - shift) for dts in told]
            decoded = rising(decoded, max(1, round(TICK / base)))
            for packet, pts, dts in zip(mine, shown, decoded, strict=True):
                copy = Packet(bytes(packet))
                copy.time_base, copy.stream = packet.time_base, target
                copy.pts, copy.dts, copy.duration = max(pts, dts), dts, packet.duration
                copy.is_keyframe = packet.is_keyframe
                made.append(copy)
        for copy in sorted(made, key=lambda copy: (copy.dts or 0) * copy.time_base):
            container.mux(copy)
    return out.getvalue()
