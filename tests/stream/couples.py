"""Pictures with two real people side by side, one of whom is dubbed: real speech is laid where his mouth moves."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from stream.features.video import VideoFrontEnd
from stream.records import AUDIO_RATE, AudioFrame, VideoFrame, Window
from stream.speech.vad import SpeechChunk, VoiceActivity
from stream.watching import VideoReading, Watching
from stream.worker import Worker
from tests.stream.speech_clips import read_sound

Picture = NDArray[np.uint8]
RATE = 10.0  # pictures a second, as a stream analyses them


def images(path: Path, start: float, end: float, mirrored: bool = False) -> list[Picture]:
    """Ten pictures a second of a clip; a clip that is shorter goes back and forth."""
    found: list[Picture] = []
    count = round((end - start) * RATE)
    with av.open(path) as media:
        for frame in media.decode(video=0):
            if frame.time >= start + len(found) / RATE - 1e-6 and len(found) < count:
                image = frame.to_ndarray(format="rgb24")
                found.append(np.ascontiguousarray(image[:, ::-1]) if mirrored else image)
            if len(found) == count:
                break
    there_and_back = [*found, *found[-2:0:-1]]
    return [there_and_back[index % len(there_and_back)] for index in range(count)]


def scaled(shown: Sequence[Picture], height: int) -> list[Picture]:
    """The pictures at another height."""
    ratio = height / shown[0].shape[0]
    return [
        np.asarray(cv2.resize(one, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA), np.uint8) for one in shown
    ]


def beside(left: Sequence[Picture], right: Sequence[Picture]) -> list[VideoFrame]:
    """Two films in one picture, the lower one with black below it."""
    height = max(left[0].shape[0], right[0].shape[0])

    def filled(image: Picture) -> Picture:
        return np.pad(image, ((0, height - image.shape[0]), (0, 0), (0, 0)))

    pairs = zip(left, right, strict=False)
    return [VideoFrame(n / RATE, np.hstack([filled(a), filled(b)])) for n, (a, b) in enumerate(pairs)]


def dubbed(speech: Path, first: float, seconds: float, length: float) -> list[SpeechChunk]:
    """Voice activity of `length` seconds of silence with speech from `first` on, for some `seconds`."""
    sound = np.zeros(round(length * AUDIO_RATE), np.float32)
    begin = round(first * AUDIO_RATE)
    said = read_sound(speech)[: round(seconds * AUDIO_RATE)][: len(sound) - begin]
    sound[begin : begin + len(said)] = said
    return VoiceActivity().push(AudioFrame(0.0, sound))


def watched(
    landmarker: Path, shown: Sequence[VideoFrame], speech: Sequence[SpeechChunk], size: float = 4.0, hop: float = 0.5
) -> list[tuple[Window, VideoReading]]:
    """Every window of a film, as a stream sees them."""

    async def watch() -> list[tuple[Window, VideoReading]]:
        watching = Watching(VideoFrontEnd(landmarker), Worker("face-test"), patient=True)
        read: list[tuple[Window, VideoReading]] = []
        try:
            for frame in shown:
                await watching.take(frame)
                start = len(read) * hop
                if frame.pts >= start + size:
                    window = Window("test", len(read), start, start + size)
                    inside = [chunk for chunk in speech if window.start < chunk.end and chunk.start < window.end]
                    read.append((window, await watching.close_window(window, dropped=False).features(inside)))
        finally:
            await watching.close()
        return read

    return asyncio.run(watch())
