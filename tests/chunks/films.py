"""The bundled clip encoded anew, in the shapes that cameras and editors give."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av

SHORT_GROUPS = {"bf": "2", "g": "24", "sc_threshold": "0", "preset": "ultrafast"}
SILENT = {"libx265": {"x265-params": "log-level=none:keyint=24:min-keyint=24:scenecut=0:open-gop=0"}}


def remade(
    clip: Path,
    path: Path,
    codec: str = "libx264",
    options: Mapping[str, str] = SHORT_GROUPS,
    sound: str | None = "aac",
    seconds: float = 6.0,
) -> Path:
    """Its first seconds, with pictures and sound of these codecs, in the container that the path names."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        picture = target.add_stream(codec, rate=24, options=dict(options) | SILENT.get(codec, {}))
        picture.width, picture.height, picture.pix_fmt = 360, 288, "yuv420p"
        rate = 48_000 if sound == "libopus" else 16_000
        voice = target.add_stream(sound, rate=rate, layout="mono") if sound else None
        for frame in source.decode(video=0, audio=0):
            if frame.pts is None or float(frame.pts * Fraction(frame.time_base or 1)) >= seconds:
                continue
            if isinstance(frame, av.VideoFrame):
                frame.pict_type = 0
                target.mux(picture.encode(frame))
            elif voice:
                target.mux(voice.encode(frame))
        for stream in (picture, voice):
            if stream:
                target.mux(stream.encode(None))
    return path
