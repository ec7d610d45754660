"""Frames into chunks that are encoded anew: pictures as JPEG, sound as 16 kHz PCM, in NUT, which keeps exact times."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame as EncodedAudio
from av.packet import Packet
from av.video.frame import VideoFrame as EncodedVideo

from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame

MICROSECOND = Fraction(1, 1_000_000)
QUALITY = "2"  # of the JPEG pictures, 2 (best) to 31


def encoded(frames: Sequence[Frame]) -> bytes:
    """A container with these frames, at their event times; empty where there are none. Pictures have one size."""
    sounds = [frame for frame in frames if isinstance(frame, AudioFrame)]
    pictures = [frame for frame in frames if isinstance(frame, VideoFrame)]
    if not frames:
        return b""
    out = io.BytesIO()
    with av.open(out, "w", format="nut") as container:
        coders = [_sound(container, sounds)] if sounds else []
        if pictures:
            coders.append(_pictures(container, pictures))
        packets: list[Any] = [packet for packets in coders for packet in packets]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * packet.time_base):
            container.mux(packet)
    return out.getvalue()


def _sound(container: Any, sounds: Sequence[AudioFrame]) -> list[Packet]:
    stream = container.add_stream("pcm_s16le", rate=AUDIO_RATE, layout="mono")
    packets: list[Packet] = []
    for sound in sounds:
        samples = np.clip(np.rint(sound.samples * 32767), -32768, 32767).astype(np.int16)
        frame = EncodedAudio.from_ndarray(samples[None], format="s16", layout="mono")
        frame.rate, frame.time_base, frame.pts = AUDIO_RATE, Fraction(1, AUDIO_RATE), round(sound.pts * AUDIO_RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _pictures(container: Any, pictures: Sequence[VideoFrame]) -> list[Packet]:
    height, width = pictures[0].image.shape[:2]
    stream = container.add_stream("mjpeg", rate=1000, options={"qmin": QUALITY, "qmax": QUALITY})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuvj444p"
    stream.codec_context.time_base = MICROSECOND
    packets: list[Packet] = []
    for picture in pictures:
        if picture.image.shape[:2] != (height, width):
            continue
        frame = EncodedVideo.from_ndarray(picture.image, format="rgb24").reformat(format="yuvj444p")
        frame.time_base, frame.pts = MICROSECOND, round(picture.pts * 1_000_000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)
