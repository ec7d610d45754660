"""The records that travel through a stream: frames, words, windows, features.

Time is event time: seconds on the source's clock, 0 at its first presentation timestamp.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ebmc_core.modality import Modality

AUDIO_RATE = 16_000  # Hz; sources resample to it, as Silero VAD and Whisper need it


@dataclass(frozen=True, slots=True, eq=False)
class AudioFrame:
    """Mono samples. pts: event time of the first sample, seconds. samples: float32 `[n]` in -1..1. rate: Hz."""

    pts: float
    samples: NDArray[np.float32]
    rate: int = AUDIO_RATE

    @property
    def end(self) -> float:
        """Event time just after the last sample, seconds."""
        return self.pts + len(self.samples) / self.rate


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture. pts: event time, seconds. pixels: of the image, or what makes them when they are first wanted."""

    pts: float
    pixels: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]]

    @property
    def image(self) -> NDArray[np.uint8]:
        """uint8 `[H, W, 3]`, RGB."""
        return self.pixels() if callable(self.pixels) else self.pixels

    @property
    def end(self) -> float:
        """Event time up to which it tells what was seen, seconds: its own."""
        return self.pts


Frame = AudioFrame | VideoFrame


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word. start, end: event time, seconds. probability: 0..1. final: it will not change any more."""

    start: float
    end: float
    text: str
    probability: float
    final: bool


@dataclass(frozen=True, slots=True)
class Utterance:
    """The words between two speech ends, as one recognition pass heard them."""

    start: float
    end: float
    words: tuple[Word, ...]
    final: bool

    @property
    def text(self) -> str:
        """The words as one line."""
        return " ".join(word.text.strip() for word in self.words).strip()


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of event time, `[start, end)` in seconds; `index` counts hops from 0."""

    stream: str
    index: int
    start: float
    end: float


class State(StrEnum):
    """How much of a modality a window had."""

    OK = "ok"
    DEGRADED = "degraded"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True, eq=False)
class ModalityFeatures:
    """One modality in one window.

    values: float32 `[d_m]`, zeros when missing. quality: measured, 0..1. age: seconds from the last real sample to
    the end of the window. reason: why the state is not `ok`, in words, else None.
    """

    values: NDArray[np.float32]
    state: State
    quality: float
    age: float
    reason: str | None = None

    @property
    def present(self) -> bool:
        """Whether the model may read the values."""
        return self.state is not State.MISSING


class FaceChoice(StrEnum):
    """Why a face was read: its mouth moves with the sound, or it is the largest."""

    SPEAKING = "speaking"
    LARGEST = "largest"


@dataclass(frozen=True, slots=True)
class FaceReport:
    """The face that was read in a window.

    id: the same for the same face in all windows of a stream. box: x0, y0, x1, y1 as shares of the picture, where it
    was last seen.
    """

    id: int
    chosen: FaceChoice
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class WindowFeatures:
    """All modalities of one window, the words that were spoken in it, how many faces, and which of them was read.

    early: the window was still open; it ends with what was known, and its own features follow.
    """

    window: Window
    modalities: Mapping[Modality, ModalityFeatures]
    utterances: tuple[Utterance, ...]
    faces: int
    face: FaceReport | None = None
    early: bool = False
