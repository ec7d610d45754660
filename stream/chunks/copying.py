"""A media file into chunks without encoding it anew: packets are only put into other containers.

That needs pictures that can be decoded from the beginning of a chunk on, so a chunk begins at a key frame. Sound is cut
anywhere; a chunk begins with the sound of a moment before, from which its decoder finds its way.
"""

import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk
from stream.sources.decoding import origin, picture_stream
from stream.sources.file import open_media

GROUP = 2.0  # seconds from key frame to key frame, at most: chunks must be short
PREROLL = 0.2  # seconds of sound before a chunk
JUMP = 5.0  # seconds; a longer step between timestamps is not simply a pause
EARLY = 1.0  # seconds
SAME = 1e-6


@dataclass(frozen=True, slots=True)
class Plan:
    """Where to cut, in seconds of event time; the first is 0, the last the end. zero: timestamp at event time 0."""

    cuts: tuple[float, ...]
    zero: float


def copied(path: Path, stream: str, run: str, length: float) -> Iterator[Chunk] | None:
    """The chunks of a file; None where it must be encoded anew. Reads the whole file to know. Raises `SourceError`."""
    with open_media(path) as container:
        plan = _planned(container, length)
    if plan is None or len(plan.cuts) < 2:
        return None
    return _chunks(path, stream, run, plan)


def _planned(container: InputContainer, length: float) -> Plan | None:
    picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
    if any(getattr(one, "codec_context", None) is None for one in (picture, sound) if one is not None):
        return None  # what nobody here can decode is not passed on
    zero, keys, newest, end, last = origin(container), list[float](), -1.0, 0.0, dict[int, float]()
    try:
        for packet in container.demux([one for one in (picture, sound) if one is not None]):
            if packet.size == 0:
                continue
            if packet.pts is None or packet.dts is None or packet.is_corrupt:
                return None
            event, order = (float(stamp * packet.time_base) - zero for stamp in (packet.pts, packet.dts))
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


def _chunks(path: Path, stream: str, run: str, plan: Plan) -> Iterator[Chunk]:
    with open_media(path) as container:
        picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
        kinds = frozenset(k for k, one in ((Modality.VIDEO, picture), (Modality.AUDIO, sound)) if one is not None)
        waiting: deque[tuple[float, Any, Packet]] = deque()  # moment, stream, packet
        seen = dict.fromkeys((one.index for one in (picture, sound) if one is not None), 0.0)
        number, key = 0, 0.0

        def cut(number: int) -> Chunk:
            start, end = plan.cuts[number : number + 2]
            inside = [one for one in waiting if one[0] < end - SAME and one[0] >= start - PREROLL]
            inside = [one for one in inside if one[1] is not picture or one[0] >= start - SAME]
            media = _container(inside, plan.zero)
            while waiting and waiting[0][0] < end - PREROLL:
                waiting.popleft()
            last = number == len(plan.cuts) - 2
            return Chunk(stream, run, number, kinds, start, end, media, last)

        for packet in container.demux([one for one in (picture, sound) if one is not None]):
            if packet.size == 0 or packet.pts is None:
                continue
            moment = float(packet.pts * packet.time_base) - plan.zero
            if packet.stream is picture:
                key = moment if packet.is_keyframe else key
                moment = key  # a picture belongs where its key frame is
            waiting.append((moment, packet.stream, packet))
            seen[packet.stream_index] = max(seen[packet.stream_index], moment)
            while number < len(plan.cuts) - 2 and min(seen.values()) >= plan.cuts[number + 1]:
                yield cut(number)
                number += 1
        while number < len(plan.cuts) - 1:
            yield cut(number)
            number += 1


def _container(packets: list[tuple[float, Any, Packet]], zero: float) -> bytes:
    """Packets in a container of their own, at their event times. The source's packets stay as they are."""
    if not packets:
        return b""
    out = io.BytesIO()
    # the packets of the first pictures are decoded before event time 0; that must not move all the others
    with av.open(out, "w", format="nut", options={"avoid_negative_ts": "disabled"}) as container:
        copies: dict[int, Any] = {}
        for _, stream, _packet in packets:
            if stream.index not in copies:
                copies[stream.index] = container.add_stream_from_template(stream)
        for _, stream, packet in packets:
            shift = round(zero / packet.time_base)
            pts, dts = packet.pts or 0, packet.dts or 0  # `_planned` has seen to it that they are there
            if pts < shift:
                continue  # NUT has no time before 0
            copy = Packet(bytes(packet))
            copy.time_base, copy.stream = packet.time_base, copies[stream.index]
            copy.pts, copy.dts, copy.duration = pts - shift, max(dts - shift, 0), packet.duration
            copy.is_keyframe = packet.is_keyframe
            container.mux(copy)
    return out.getvalue()
