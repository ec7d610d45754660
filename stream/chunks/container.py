"""Packets into a container of a chunk's own, without decoding them."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
from av.packet import Packet

from ebmc_core.modality import Modality
from stream.sources.packets import MediaPacket, Track

MICROSECOND = Fraction(1, 1_000_000)
MILLISECOND = 1000
# the packets of the first pictures may be decoded before event time 0; that must not move all the others
AS_THEY_ARE = {"avoid_negative_ts": "disabled"}


def container_of(packets: Sequence[MediaPacket]) -> bytes:
    """NUT with these packets at their event times; empty where there are none. At most one track of a kind."""
    if not packets:
        return b""
    out = io.BytesIO()
    with av.open(out, "w", format="nut", options=AS_THEY_ARE) as container:
        streams: dict[Track, Any] = {}
        for packet in packets:
            if packet.track not in streams:
                stream = streams[packet.track] = container.add_stream_from_template(packet.track.template)
                stream.time_base = MICROSECOND
        made: list[Any] = []
        for track, stream in streams.items():
            mine = [packet for packet in packets if packet.track is track]
            shown = [round(packet.pts * 1_000_000) for packet in mine]
            decoded = rising(decoding_times(shown), 1) if track.kind is Modality.VIDEO else rising(shown, MILLISECOND)
            for packet, pts, dts in zip(mine, shown, decoded, strict=True):
                copy = Packet(packet.data)
                copy.time_base, copy.stream, copy.pts, copy.dts = MICROSECOND, stream, max(pts, dts), dts
                copy.is_keyframe = packet.key
                made.append(copy)
        for copy in sorted(made, key=lambda packet: packet.dts or 0):
            container.mux(copy)
    return out.getvalue()


def decoding_times(shown: Sequence[int]) -> list[int]:
    """When pictures are decoded that are shown then, in the order of decoding: each before it is shown, none before 0.

    NUT has no time before 0. A container that tells decoding times tells these, or some that are as good.
    """
    ordered = sorted(shown)
    early = max((place - own for place, own in zip(ordered, shown, strict=True)), default=0)
    return [max(0, place - max(0, early)) for place in ordered]


def rising(times: Sequence[int], tick: int) -> list[int]:
    """The same, each later than the one before by a tick at least: containers take no two packets of one moment.

    NUT rounds times of sound to its samples, so a tick must be longer than one of those.
    """
    found: list[int] = []
    for time in times:
        found.append(max(time, found[-1] + tick) if found else time)
    return found
