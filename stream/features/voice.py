"""What Whisper's lower layers make of a voice: one graph, `voice.onnx`, that set-up has made (see `voice_graph`)."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stream.errors import WeightsError
from stream.records import AUDIO_RATE

STEP = 320  # samples that one state stands for, 20 ms
SHORTEST = 2 * STEP  # samples; the spectrum is mirrored at its ends
LONGEST = 28.0  # seconds
STATISTICS = 2 * 3 * 384
"""Numbers a call gives: two layers, and of each the mean, standard deviation and maximum over time of its states."""


class VoiceEncoder:
    """Loaded once, shared by all streams; may be called from several threads at once, each computes in its own."""

    def __init__(self, folder: Path) -> None:
        """folder: the `whisper-tiny.en` weights, as the registry stores them. Raises `WeightsError` if they are not."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(folder / "voice.onnx"), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library raises bare Exceptions from its native side
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"no voice encoder could be loaded from {folder}: {reason}") from error

    def statistics(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 `[STATISTICS]` of `samples`, float32 `[n]` at 16 kHz without NaN; of more than 28 s the first 28."""
        heard = samples[: int(LONGEST * AUDIO_RATE)]
        length = max(SHORTEST, -(-len(heard) // STEP) * STEP)
        return np.asarray(self._session.run(None, {"samples": np.pad(heard, (0, length - len(heard)))})[0])
