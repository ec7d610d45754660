"""What Whisper's lower layers make of a voice: one graph, `voice.onnx`, that set-up has made (see `voice_graph`)."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.errors import WeightsError
from stream.features.graph import new_session
from stream.records import AUDIO_RATE

STEP = 320  # samples that one state stands for, 20 ms
SHORTEST = 2  # states; the spectrum is mirrored at the ends
LONGEST = 28.0  # seconds
STATISTICS = 3 * 384
"""Numbers that a call gives: the mean, standard deviation and maximum of the states over the time of speech."""


class VoiceEncoder:
    """Loaded once, shared by all streams; may be called from several threads at once, each computes in its own."""

    def __init__(self, folder: Path) -> None:
        """folder: the `whisper-tiny.en` weights, as the registry stores them. Raises `WeightsError` if they are not."""
        try:
            self._session = new_session(folder / "voice.onnx")
        except Exception as error:  # the library raises bare Exceptions from its native side
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"no voice encoder could be loaded from {folder}: {reason}") from error

    def statistics(self, samples: NDArray[np.float32], spoken: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What is said in `samples`, float32 `[n]` at 16 kHz without NaN, as float32 `[STATISTICS]`.

        spoken: bool `[T]`, which of its frames of 10 ms are speech; where none is, all count. Of more than 28 s the
        first 28 are read.
        """
        heard = samples[: int(LONGEST * AUDIO_RATE)]
        count = max(SHORTEST, -(-len(heard) // STEP))
        frames = np.zeros(2 * count, np.bool_)
        frames[: len(spoken)] = spoken[: 2 * count]
        states = frames.reshape(count, 2).max(axis=1).astype(np.float32)
        padded = np.pad(heard, (0, count * STEP - len(heard)))
        inputs = {"samples": padded, "spoken": states if states.any() else np.ones_like(states)}
        return np.asarray(self._session.run(None, inputs)[0])
