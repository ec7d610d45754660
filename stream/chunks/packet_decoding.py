"""Packets of a live source into frames after all, where they make no chunks."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame as DecodedAudio
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame as DecodedVideo

from stream.records import Frame
from stream.sources.connection import CHUNK
from stream.sources.converting import RATES, PictureConverter, SoundConverter
from stream.sources.packets import MediaPacket, Track

MICROSECOND = Fraction(1, 1_000_000)


class PacketDecoder:
    """The packets of one source, in their order. video_rate: pictures a second, at most. Blocks: call it in a thread.

    damaged: packets that could not be decoded.
    """

    def __init__(self, video_rate: float) -> None:
        self._sound, self._pictures = SoundConverter(CHUNK, steered=True), PictureConverter(video_rate)
        self._decoders: dict[Track, Any] = {}
        self.damaged = 0

    def frames(self, packet: MediaPacket) -> Iterator[Frame]:
        """The frames that a packet completes, at their event times; damage is counted and passed over."""
        decoder = self._decoders.get(packet.track)
        if decoder is None:  # of another opening: what the old one still has is out of date
            self._decoders = {track: old for track, old in self._decoders.items() if track.kind != packet.track.kind}
            self._decoders[packet.track] = decoder = _decoder(packet.track)
        copy = Packet(packet.data)
        copy.time_base, copy.pts, copy.is_keyframe = MICROSECOND, round(packet.pts * 1_000_000), packet.key
        try:
            decoded = decoder.decode(copy)
        except FFmpegError:
            self.damaged += 1
            return
        for frame in decoded:
            if frame.pts is None:
                continue
            event = frame.pts / 1_000_000
            if isinstance(frame, DecodedVideo):
                yield from self._pictures.push(event, frame)
            elif isinstance(frame, DecodedAudio) and RATES[0] <= frame.sample_rate <= RATES[1]:
                yield from self._sound.push(event, frame)

    def rest(self) -> Iterator[Frame]:
        """Sound that is not yet a whole frame, at the end."""
        return self._sound.flush()


def _decoder(track: Track) -> Any:
    decoder: Any = CodecContext.create(track.codec, "r")
    if track.extradata:
        decoder.extradata = track.extradata
    if isinstance(decoder, AudioCodecContext) and track.rate:
        decoder.sample_rate = track.rate
        if track.layout:
            decoder.layout = track.layout
    return decoder
