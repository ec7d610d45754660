"""Speech recognition that is off for a while."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.bench.disturbances import Span
from stream.bench.played import PlayedSource
from stream.speech.asr import LONGEST, Hypothesis, Recogniser


class DeafRecogniser(Recogniser):
    """A recogniser that fails while what a source plays is in a span of event time, as one whose process has died."""

    def __init__(self, recogniser: Recogniser, source: PlayedSource, span: Span) -> None:
        self._recogniser, self._source, self._span = recogniser, source, span

    def read(self, samples: NDArray[np.float32], known: Sequence[int] = (), voiced: float = LONGEST) -> Hypothesis:
        """The words; raises `RuntimeError` while it is off."""
        if self._source.reached in self._span:
            raise RuntimeError("speech recognition is off")
        return self._recogniser.read(samples, known, voiced)
