"""A stretch of a clip as a file of its own."""

from pathlib import Path

import av


def shortened(clip: Path, end: float, copy: Path, begin: float = 0.0) -> Path:
    """Write what is in a clip before `end`, packet by packet, to `copy`. begin: a little before a keyframe, seconds."""
    with av.open(str(clip)) as source, av.open(str(copy), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        begun: set[int] = set()
        for packet in source.demux():
            if packet.dts is None or packet.pts is None or packet.dts * packet.time_base >= end:
                continue
            if packet.is_keyframe and packet.pts * packet.time_base >= begin:
                begun.add(packet.stream.index)
            if packet.stream.index in begun:
                packet.pts -= round(begin / packet.time_base)
                packet.dts -= round(begin / packet.time_base)
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return copy
