"""What goes wrong with a camera, a microphone or a recogniser, done to frames between two moments.

Every transform is pure: frames and a span in, new frames out, nothing outside the span touched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ebmc_core.modality import Modality
from stream.bench.take import sound_of
from stream.records import AUDIO_RATE, AudioFrame, Frame, VideoFrame

NOTHING = "nothing"  # the clean run once more: how far two live runs differ by themselves
VOICES = 6  # talkers in a babble: enough that no word of it can be followed
BLUR = 0.02  # width of the Gaussian, part of the picture's height
AWAY = 5.0  # seconds that a camera or a microphone is gone
HEARING = frozenset({Modality.TEXT, Modality.AUDIO})
SEEING = frozenset({Modality.VIDEO})


@dataclass(frozen=True, slots=True)
class Span:
    """`[start, end)` of event time, seconds."""

    start: float
    end: float

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end


Transform = Callable[[Sequence[Frame], Span], list[Frame]]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """hurts: the modalities that suffer. gone: there is nothing of them left, rather than something worse.

    seconds: how long it lasts, if not as long as the others. deaf: speech recognition is off meanwhile.
    """

    name: str
    hurts: frozenset[Modality]
    gone: bool
    apply: Transform
    seconds: float | None = None
    deaf: bool = False


def untouched(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """Nothing happens to the frames."""
    return list(frames)


def muted(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """Digital silence."""
    return _sound(frames, span, lambda samples, first: np.zeros_like(samples))


def babbled(voices: NDArray[np.float32], ratio: float) -> Transform:
    """Other voices `[n]` (16 kHz, repeated if need be) beside the speech, so loud that the span has `ratio` dB."""

    def transform(frames: Sequence[Frame], span: Span) -> list[Frame]:
        first, last = (round(moment * AUDIO_RATE) for moment in (span.start, span.end))
        speech = sound_of(frames)[first:last]
        babble = np.resize(voices, max(len(speech), 1))
        loudness = np.sqrt(_power(speech) / (_power(babble) * 10 ** (ratio / 10)))
        added = (loudness * babble).astype(np.float32)

        def mix(samples: NDArray[np.float32], at: int) -> NDArray[np.float32]:
            more = added[at - first : at - first + len(samples)]
            return samples + np.pad(more, (0, len(samples) - len(more)))

        return _sound(frames, span, mix)

    return transform


def blackened(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """A lens cap."""
    return _pictures(frames, span, lambda image: np.zeros_like(image))


def frozen(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """The last picture before the span, again and again."""
    before = [frame.image for frame in frames if isinstance(frame, VideoFrame) and frame.pts < span.start]
    return _pictures(frames, span, lambda image: before[-1] if before else image)


def blurred(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """Out of focus."""
    return _pictures(frames, span, blurred_image)


def blurred_image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture `[H, W, 3]` out of focus."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR * image.shape[0]), dtype=np.uint8)


def without_camera(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """No pictures."""
    return [frame for frame in frames if not (isinstance(frame, VideoFrame) and frame.pts in span)]


def without_microphone(frames: Sequence[Frame], span: Span) -> list[Frame]:
    """No sound: the pieces that begin in the span are not there."""
    return [frame for frame in frames if not (isinstance(frame, AudioFrame) and frame.pts in span)]


def babble_from(sound: Sequence[NDArray[np.float32]], seed: int) -> NDArray[np.float32]:
    """Many talkers out of real speech `[n]`: equally loud copies of it, each shifted to another place."""
    rng = np.random.default_rng(seed)
    length = max(len(samples) for samples in sound)
    mixed = np.zeros(length, np.float32)
    for number in range(VOICES):
        voice = np.resize(sound[number % len(sound)], length)
        # spread over the recording, so that no two copies fall together, nor one on the speech it came from
        shift = (number + 1 + rng.uniform(-0.2, 0.2)) / (VOICES + 1)
        mixed += np.roll(voice, round(shift * length)) / np.float32(np.sqrt(_power(voice)))
    return mixed


def disturbances(voices: NDArray[np.float32]) -> list[Disturbance]:
    """Everything that is tried."""
    return [
        Disturbance(NOTHING, frozenset(), False, untouched),
        Disturbance("mute", HEARING, True, muted),
        *(Disturbance(f"babble {ratio} dB", HEARING, False, babbled(voices, ratio)) for ratio in (10, 5, 0)),
        Disturbance("microphone gone", HEARING, True, without_microphone, seconds=AWAY),
        Disturbance("recognition off", frozenset({Modality.TEXT}), True, untouched, deaf=True),
        Disturbance("black", SEEING, True, blackened),
        Disturbance("freeze", SEEING, True, frozen),
        Disturbance("blur", SEEING, False, blurred),
        Disturbance("camera gone", SEEING, True, without_camera, seconds=AWAY),
    ]


NAMES = tuple(what.name for what in disturbances(np.zeros(1, np.float32)))


def _pictures(
    frames: Sequence[Frame], span: Span, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> list[Frame]:
    return [
        VideoFrame(frame.pts, change(frame.image)) if isinstance(frame, VideoFrame) and frame.pts in span else frame
        for frame in frames
    ]


def _sound(
    frames: Sequence[Frame], span: Span, change: Callable[[NDArray[np.float32], int], NDArray[np.float32]]
) -> list[Frame]:
    """Change the samples inside the span; `change` is told the number of the first one since event time 0."""
    first, last = (round(moment * AUDIO_RATE) for moment in (span.start, span.end))
    changed: list[Frame] = []
    for frame in frames:
        if isinstance(frame, AudioFrame) and frame.end > span.start and frame.pts < span.end:
            origin = round(frame.pts * AUDIO_RATE)
            low, high = max(first - origin, 0), min(last - origin, len(frame.samples))
            samples = frame.samples.copy()
            samples[low:high] = change(samples[low:high], origin + low)
            changed.append(replace(frame, samples=samples))
        else:
            changed.append(frame)
    return changed


def _power(samples: NDArray[np.float32]) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64))) + 1e-12 if len(samples) else 1e-12
