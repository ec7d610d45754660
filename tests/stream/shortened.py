"""The beginning of a clip as a file of its own."""

from pathlib import Path

import av


def shortened(clip: Path, seconds: float, copy: Path) -> Path:
    """Write what is in a clip before `seconds`, packet by packet, to `copy`."""
    with av.open(str(clip)) as source, av.open(str(copy), "w") as out:
        copies = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None and packet.dts * packet.time_base < seconds:
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return copy
