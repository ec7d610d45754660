"""Speech recognition that is off for a while."""

import numpy as np
from numpy.typing import NDArray

from stream.bench.disturbances import Span
from stream.records import AUDIO_RATE, Utterance
from stream.speech.asr import Recogniser


class DeafRecogniser(Recogniser):
    """A recogniser that hears no word in a pass over sound that ends in a span of event time."""

    def __init__(self, recogniser: Recogniser, span: Span) -> None:
        self._recogniser, self._span = recogniser, span

    def transcribe(self, samples: NDArray[np.float32], start: float, final: bool) -> Utterance:
        """The words, or none."""
        end = start + len(samples) / AUDIO_RATE
        if end in self._span:
            return Utterance(start, end, (), final)
        return self._recogniser.transcribe(samples, start, final)

    def encoder_states(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of the voice do not suffer."""
        return self._recogniser.encoder_states(samples)
