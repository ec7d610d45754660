"""Text of a window: a sentence vector of the words that were said by its end, and how sure those words are."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from stream.errors import WeightsError
from stream.features.graph import new_session
from stream.records import ModalityFeatures, State, Utterance, Window, Word

LONGEST = 128  # tokens; of a longer text the end is kept
STALE = 2.0  # seconds since the last word
FRESH = 0.5  # seconds since the last word that cost no quality: a recogniser needs about that long anyway
FADE = 4.0  # seconds in which what was said loses two thirds of its weight
DEGRADED = 0.5  # quality below this
BATCH = 32
REMEMBERED = 256  # texts; a window's text is mostly that of the window before


class TextFrontEnd:
    """Text features of windows. Shared by streams and threads."""

    WIDTH = 384

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """folder: the `minilm-l6-v2` weights, as the registry stores them. Raises `WeightsError` when they are not."""
        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = new_session(folder / "model.onnx", threads)
        except Exception as error:  # both libraries raise bare Exceptions from their native side
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"no sentence encoder could be loaded from {folder}: {reason}") from error
        self._tokenizer.enable_truncation(LONGEST, direction="left")
        self._tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
        self._vector = lru_cache(maxsize=REMEMBERED)(self._embed)

    def window(self, utterances: Sequence[Utterance], window: Window) -> ModalityFeatures:
        """Features, state and quality of one window.

        utterances: in time order, as they were known when the window closed. The text is theirs up to the window's
        end, from the beginning of the first one that reaches into the window: a sentence is read whole.
        """
        words = [word for utterance in utterances for word in _reaching(utterance, window)]
        last = max((word.end for one in utterances for word in one.words if word.end <= window.end), default=0.0)
        age = max(0.0, window.end - last)
        if not words:
            return ModalityFeatures(np.zeros(self.WIDTH, np.float32), State.MISSING, 0.0, age, "no words")
        sure = sum(word.probability for word in words) / len(words)
        quality = sure * recency(age)
        state, reason = State.OK, None
        if age > STALE:
            state, reason = State.STALE, f"last word {age:.1f} s ago"
        elif quality < DEGRADED:
            state, reason = State.DEGRADED, "unsure words"
        text = " ".join(word.text.strip() for word in words)
        return ModalityFeatures(self._vector(text), state, quality, age, reason)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A unit vector for each text, float32 `[n, 384]`."""
        found = np.zeros((len(texts), self.WIDTH), np.float32)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # little padding in a batch
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            found[batch] = self._run([texts[index] for index in batch])
        return found

    def _embed(self, text: str) -> NDArray[np.float32]:
        vector = self._run([text])[0]
        vector.setflags(write=False)  # it is remembered
        return vector

    def _run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encodings = self._tokenizer.encode_batch(list(texts))
        tokens = np.array([encoding.ids for encoding in encodings], dtype=np.int64)
        mask = np.array([encoding.attention_mask for encoding in encodings], dtype=np.int64)
        return np.asarray(self._session.run(None, {"input_ids": tokens, "attention_mask": mask})[0])


def recency(age: float) -> float:
    """What is left of a text's weight `age` seconds after its last word, 0..1."""
    return float(np.exp(-max(0.0, age - FRESH) / FADE))


def _reaching(utterance: Utterance, window: Window) -> list[Word]:
    """The utterance's words up to the window's end, if the last of them was still heard inside the window."""
    words = [word for word in utterance.words if word.end <= window.end]
    return words if words and words[-1].end > window.start else []
