"""Sends a file as MPEG-TS over UDP in real time, over and over: `python udp_sender.py udp://HOST:PORT FILE`."""

import sys
import time
from fractions import Fraction

import av


def send(address: str, path: str) -> None:
    """Encode with a keyframe every second, so that a receiver can begin at once."""
    with av.open(f"{address}?pkt_size=1316", "w", format="mpegts") as out, av.open(path) as source:
        video = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "tune": "zerolatency"})
        shape = source.streams.video[0]
        video.width, video.height, video.pix_fmt, video.gop_size = shape.width, shape.height, "yuv420p", 25
        video.time_base = Fraction(1, 90_000)
        audio = out.add_stream("aac", rate=44_100, layout="mono")
        begin, offset = time.monotonic(), 0.0
        while True:
            end = 0.0
            source.seek(0)
            for frame in source.decode(source.streams.video[0], source.streams.audio[0]):
                end = max(end, frame.time)
                time.sleep(max(0.0, begin + offset + frame.time - time.monotonic()))
                frame.pts += round(offset / frame.time_base)
                if isinstance(frame, av.VideoFrame):
                    frame.pict_type = 0
                    out.mux(video.encode(frame))
                else:
                    out.mux(audio.encode(frame))
            offset += end + 0.04


if __name__ == "__main__":
    send(sys.argv[1], sys.argv[2])
