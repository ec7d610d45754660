"""Streaming voice activity: Silero VAD v6 over 32 ms chunks, its state kept from frame to frame."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from faster_whisper.utils import get_assets_path
from numpy.typing import NDArray

from stream.errors import SourceError
from stream.records import AUDIO_RATE, AudioFrame

CHUNK = 512  # samples the network reads at a time, 32 ms
CONTEXT = 64  # samples of the chunk before, which it wants repeated in front
SPEECH = 0.5  # Silero's own threshold
GAP = 0.02  # seconds by which a frame may miss the end of the one before and still join it


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """How likely `[start, end)` (event time, seconds) holds speech. probability: 0..1."""

    start: float
    end: float
    probability: float

    @property
    def speech(self) -> bool:
        """Whether to take it for speech."""
        return self.probability >= SPEECH


def speech_fraction(chunks: Iterable[SpeechChunk], start: float, end: float) -> float:
    """The part of `[start, end)` that is speech, 0..1; the chunks do not overlap each other."""
    if end <= start:
        return 0.0
    spoken = sum(max(0.0, min(chunk.end, end) - max(chunk.start, start)) for chunk in chunks if chunk.speech)
    return min(1.0, spoken / (end - start))


@lru_cache(maxsize=1)
def _session() -> onnxruntime.InferenceSession:
    """The network that faster-whisper ships; it holds no state of its own, so all streams share it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    path = Path(get_assets_path()) / "silero_vad_v6.onnx"
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class VoiceActivity:
    """One stream's voice activity. The same samples give the same chunks, however they were cut into frames."""

    def __init__(self) -> None:
        self._session = _session()
        self._restart(0.0)

    def _restart(self, pts: float) -> None:
        """Forget what was heard; the next sample is at `pts`."""
        self._origin = pts
        self._done = 0  # chunks since the origin
        self._rest = np.zeros(0, np.float32)
        self._context = np.zeros(CONTEXT, np.float32)
        self._hidden = np.zeros((1, 1, 128), np.float32)
        self._cell = np.zeros((1, 1, 128), np.float32)

    def push(self, *frames: AudioFrame) -> list[SpeechChunk]:
        """The chunks that these frames completed. After a gap the network starts anew; what is heard twice counts once.

        Sixteen chunks at once cost what five do one by one. Raises `SourceError` when a frame is not at 16 kHz.
        """
        found: list[SpeechChunk] = []
        parts: list[NDArray[np.float32]] = []
        count = 0  # samples in them
        for frame in frames:
            samples = self._fitting(frame, count)
            if samples is None:  # after a gap
                found += self._read(np.concatenate([self._rest, *parts]))
                self._restart(frame.pts)
                samples, parts, count = _finite(frame), [], 0
            parts.append(samples)
            count += len(samples)
        return found + self._read(np.concatenate([self._rest, *parts]))

    def _fitting(self, frame: AudioFrame, waiting: int) -> NDArray[np.float32] | None:
        """The samples of a frame that are new, where `waiting` others come before it; None when there is a gap."""
        if frame.rate != AUDIO_RATE:
            raise SourceError(f"speech detection needs audio at {AUDIO_RATE} Hz, this source gives {frame.rate} Hz")
        expected = self._origin + (self._done * CHUNK + len(self._rest) + waiting) / AUDIO_RATE
        if frame.pts > expected + GAP:
            return None
        samples = _finite(frame)
        return samples[round((expected - frame.pts) * AUDIO_RATE) :] if frame.pts < expected - GAP else samples

    def _read(self, samples: NDArray[np.float32]) -> list[SpeechChunk]:
        """Run the network over the whole chunks in `samples` and keep the rest."""
        count = len(samples) // CHUNK
        self._rest = samples[count * CHUNK :]
        if count == 0:
            return []
        chunks = samples[: count * CHUNK].reshape(count, CHUNK)
        context = np.concatenate([self._context[None], chunks[:-1, -CONTEXT:]])
        inputs = {"input": np.concatenate([context, chunks], axis=1), "h": self._hidden, "c": self._cell}
        found, self._hidden, self._cell = (np.asarray(array) for array in self._session.run(None, inputs))
        self._context = chunks[-1, -CONTEXT:]
        first, self._done = self._done, self._done + count
        return [
            SpeechChunk(self._time(first + index), self._time(first + index + 1), float(probability))
            for index, probability in enumerate(found.reshape(-1))
        ]

    def _time(self, chunk: int) -> float:
        """Event time at which a chunk begins; from the count, so that no rounding adds up."""
        return self._origin + chunk * CHUNK / AUDIO_RATE


def _finite(frame: AudioFrame) -> NDArray[np.float32]:
    """Its samples, float32 `[n]`; NaN and infinities are silence."""
    samples = frame.samples
    if not np.isfinite(samples).all():
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return samples.astype(np.float32, copy=False)
