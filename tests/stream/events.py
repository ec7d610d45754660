"""Windows and fused batches to build events from, as tests need them."""

import numpy as np

from ebmc_core.batch import FusedBatch
from ebmc_core.modality import MODALITIES, Modality
from stream.event import EngineName, Latency, SentimentEvent, event_from
from stream.records import ModalityFeatures, State, Utterance, Window, WindowFeatures, Word

ENGINE = EngineName("onnxruntime-cpu", "live-en", "0123" * 16)


def window_features(index: int, present: frozenset[Modality], said: str = "", stream: str = "s") -> WindowFeatures:
    """A window whose present modalities hold ones."""
    window = Window(stream, index, index * 0.5, index * 0.5 + 4.0)
    parts = {
        m: ModalityFeatures(np.ones(3, np.float32), State.OK, 0.8, 0.2)
        if m in present
        else ModalityFeatures(np.zeros(3, np.float32), State.MISSING, 0.0, 9.0, "gone")
        for m in MODALITIES
    }
    words = tuple(
        Word(window.start + i * 0.4, window.start + i * 0.4 + 0.3, text, 0.9, True)
        for i, text in enumerate(said.split())
    )
    utterances = (Utterance(words[0].start, words[-1].end, words, True),) if words else ()
    return WindowFeatures(window, parts, utterances, faces=int(Modality.VIDEO in present))


def fused(present: frozenset[Modality], probabilities: tuple[float, float, float]) -> FusedBatch:
    """One row, one step, trust shared evenly by those present."""
    row = np.array(probabilities, np.float32)
    trust = np.array([float(m in present) for m in MODALITIES], np.float32)
    score = np.float32(row[2] - row[0])
    return FusedBatch(
        probabilities=row[None, None],
        score=np.array([[score]]),
        interval=np.array([[[max(-1, score - 0.3), min(1, score + 0.3)]]], np.float32),
        trust=(trust / max(trust.sum(), 1))[None, None],
        unimodal=np.tile(row, (1, 1, len(MODALITIES), 1)),
    )


def event(
    index: int = 0,
    present: frozenset[Modality] = frozenset(MODALITIES),
    said: str = "",
    probabilities: tuple[float, float, float] = (0.1, 0.2, 0.7),
    stream: str = "s",
) -> SentimentEvent:
    """A whole event."""
    features = window_features(index, present, said, stream)
    return event_from(features, fused(present, probabilities), 0, Latency(12.5, 0.9), ENGINE)
