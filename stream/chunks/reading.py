"""Chunks back into frames. What is inside may have been sent by anybody, so nothing of it is trusted."""

import io
from collections.abc import Iterator

import av
from av.audio.frame import AudioFrame as DecodedAudio
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame as DecodedVideo

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk, ChunkError
from stream.records import AudioFrame, Frame, VideoFrame
from stream.sources.converting import RATES, PictureConverter, SoundConverter
from stream.sources.decoding import picture_stream, reason
from stream.sources.recording import CHUNK

# formats that hold their media themselves: a playlist could have other files and addresses opened
FORMATS = "nut,matroska,webm,mov,mp4,m4a,3gp,mpegts,mpeg,avi,flv,ogg,wav,flac,mp3,aac"
PIXELS = 4096 * 4096  # of a picture
HELD = 512 * 1024 * 1024  # bytes of the pictures of a chunk, decoded
RATE = 240  # pictures a second; more is no camera
SPEED = 384_000  # samples a second and channel; more is no microphone
SPARE = 2.0  # seconds of preroll that a chunk may have
SAME = 0.0005  # seconds; containers round timestamps to milliseconds


class ChunkReader:
    """The chunks of one run of a stream, in order. Each is decoded by itself; sound goes on from one to the next.

    video_rate: pictures per second, at most. live: the clock of its sound may drift, and is followed. Blocks: call it
    in a thread.
    """

    def __init__(self, video_rate: float, live: bool = False) -> None:
        self._sound, self._pictures = SoundConverter(CHUNK, steered=live), PictureConverter(video_rate)

    def frames(self, chunk: Chunk) -> list[Frame]:
        """The frames that the chunk completes, by event time. Damage is passed over.

        Raises `ChunkError` when nothing of it can be decoded, or it is not what a chunk can be.
        """
        if not chunk.media:
            return []
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
        try:
            with av.open(io.BytesIO(chunk.media), "r", options=options) as container:
                return sorted(self._decoded(chunk, container), key=_moment)
        except (FFmpegError, OSError, ValueError, MemoryError, EOFError, UnicodeError) as error:
            raise ChunkError("media", f"its media cannot be read ({reason(error)})") from error

    def rest(self) -> list[Frame]:
        """Sound that is not yet a whole frame, at the end of the stream."""
        return list(self._sound.flush())

    def _decoded(self, chunk: Chunk, container: InputContainer) -> Iterator[Frame]:
        picture, sound = picture_stream(container), next(iter(container.streams.audio), None)
        for stream in (picture, sound):
            if stream is not None and getattr(stream, "codec_context", None) is None:
                raise ChunkError("codec", "there is no decoder for its media")
        if picture is not None and picture.codec_context.width * picture.codec_context.height > PIXELS:
            raise ChunkError("size", f"its pictures are too large ({picture.width}x{picture.height})")
        streams = [stream for stream in (picture, sound) if stream is not None]
        if not streams:
            raise ChunkError("media", "its media has neither sound nor pictures")
        seconds = chunk.end - chunk.start + SPARE
        budget = {Modality.VIDEO: seconds * RATE, Modality.AUDIO: seconds * SPEED}
        decoded = held = 0
        for packet in container.demux(streams):
            try:
                found = packet.decode()
            except FFmpegError:
                continue
            for frame in found:
                decoded += 1
                if isinstance(frame, DecodedVideo):
                    budget[Modality.VIDEO] -= 1
                    if frame.width * frame.height > PIXELS:
                        raise ChunkError("size", f"its pictures are too large ({frame.width}x{frame.height})")
                elif isinstance(frame, DecodedAudio):
                    if not RATES[0] <= frame.sample_rate <= RATES[1]:
                        raise ChunkError("size", f"its sound has {frame.sample_rate} samples a second")
                    budget[Modality.AUDIO] -= frame.samples
                if min(budget.values()) < 0:
                    raise ChunkError("size", f"it holds far more than its {chunk.end - chunk.start:.1f} s")
                if isinstance(frame, DecodedAudio | DecodedVideo):
                    for placed in self._placed(chunk, frame):
                        held += placed.image.nbytes if isinstance(placed, VideoFrame) else 0
                        if held > HELD:
                            raise ChunkError("size", "its pictures need too much memory")
                        yield placed
        if not decoded:
            raise ChunkError("media", "nothing of its media can be decoded")

    def _placed(self, chunk: Chunk, frame: DecodedAudio | DecodedVideo) -> Iterator[Frame]:
        """What of a frame belongs to the chunk. Its timestamps are event time."""
        if frame.pts is None or frame.time_base is None:
            return
        event = float(frame.pts * frame.time_base)
        if not chunk.start - SAME <= event < chunk.end - SAME:
            return
        if isinstance(frame, DecodedAudio):
            yield from self._sound.push(event, frame)
        else:
            yield from self._pictures.push(event, frame)


def _moment(frame: Frame) -> float:
    return frame.end if isinstance(frame, AudioFrame) else frame.pts
