"""Whisper on short contexts: words with times and probabilities.

Whisper pads every piece of audio to 30 s. Its encoder accepts less, and reading only the speech and two seconds of
padding costs a sixth. Words that are known already are given to the decoder as its own beginning, so that it says only
what is new.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# CTranslate2's oneDNN keeps code for every length of sound it met, 1024 of them; a stream meets new ones for hours.
# It is asked for before the library first computes, in a process that has not asked for something else.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "8")

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from stream.errors import WeightsError
from stream.records import AUDIO_RATE

PADDING = 2.0  # seconds of silence after the speech; with 1 s tiny.en looped in 14 of 47 windows, with 2 s in none
STEP = AUDIO_RATE // 5  # samples; lengths are multiples of it, so that the library meets few
LONGEST = 28.0  # seconds; with its padding this fills the 30 s that the encoder has positions for
SHORTEST = 400  # samples that the spectrogram needs at least
TOKENS_PER_SECOND = 7  # nobody speaks faster; what the decoder says beyond that, it makes up
SPARE = 4  # tokens for punctuation and the end
POSITIONS = 224  # tokens that may be said: half of the decoder's room, as Whisper has it
LONGEST_WORD = 1.0  # seconds; alignment stretches the first word after a pause over the pause


@dataclass(frozen=True, slots=True)
class Piece:
    """A word as one pass heard it. start, end: seconds of the audio. tokens: what the decoder calls it."""

    text: str
    start: float
    end: float
    probability: float
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What one pass heard after the words that were known.

    score: mean log probability of a token. no_speech: Whisper's own probability that nobody spoke, 0..1.
    """

    pieces: tuple[Piece, ...]
    score: float
    no_speech: float


NOTHING = Hypothesis((), 0.0, 1.0)


class Recogniser:
    """Whisper, loaded once and shared by all streams; every method may be called from several threads at once."""

    def __init__(self, folder: Path, compute_type: str = "int8", threads: int = 1, workers: int = 2) -> None:
        """Load the CTranslate2 model in `folder`; `workers` calls run side by side, on `threads` threads each.

        Raises `WeightsError` when the folder holds no such model.
        """
        try:
            self._whisper = WhisperModel(
                str(folder), device="cpu", compute_type=compute_type, cpu_threads=threads, num_workers=workers,
                local_files_only=True,
            )  # fmt: skip
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise WeightsError(f"no Whisper model could be loaded from {folder}: {reason}") from error
        multilingual = self._whisper.model.is_multilingual
        self._tokenizer = Tokenizer(
            self._whisper.hf_tokenizer,
            multilingual,
            task="transcribe" if multilingual else None,
            language="en" if multilingual else None,
        )

    def read(self, samples: NDArray[np.float32], known: Sequence[int] = (), voiced: float = LONGEST) -> Hypothesis:
        """The words in `samples`, float32 `[n]` at 16 kHz, after those that are known.

        known: tokens of the words that the audio begins with; they are not decoded again. voiced: seconds of voice in
        which the words that follow were said. Of more than 28 s only the first 28 are read. Nothing is judged here: see
        `guards`.
        """
        samples = _readable(samples)[: int(LONGEST * AUDIO_RATE)]
        seconds = len(samples) / AUDIO_RATE
        if len(samples) < SHORTEST:
            return NOTHING
        padding = int(PADDING * AUDIO_RATE)
        padding += -(len(samples) + padding) % STEP
        encoded = self._whisper.encode(self._spectrogram(np.pad(samples, (0, padding))))
        prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps, *known]
        room = min(POSITIONS, len(known) + SPARE + int(TOKENS_PER_SECOND * min(voiced, seconds)))
        result = self._whisper.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=2 * room,  # CTranslate2 gives half of it to what is said, known words included
            no_repeat_ngram_size=4,
            suppress_blank=not known,  # after known words the end is a good answer
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        said = result.sequences_ids[0]  # with the known words in front, whose share of the score is 0
        fresh = [token for token in said[len(known) :] if token < self._tokenizer.eot]
        score = float(result.scores[0]) * (len(said) + 1) / (len(said) - len(known) + 1)
        pieces = self._aligned(known, fresh, encoded, max(2, len(samples) // 160)) if fresh else ()
        return Hypothesis(pieces, score, float(result.no_speech_prob))

    def _spectrogram(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log mel, float32 `[80, n / 160]` (128 for large-v3); an even number of frames, as the encoder halves them."""
        mel = self._whisper.feature_extractor(samples, padding=0)
        return np.ascontiguousarray(mel[:, : mel.shape[1] // 2 * 2], dtype=np.float32)

    def _aligned(self, known: Sequence[int], fresh: Sequence[int], encoded: Any, frames: int) -> tuple[Piece, ...]:
        """The fresh tokens as words, aligned by cross-attention over all that was said."""
        batch: Any = [[*known, *fresh]]  # faster-whisper's own annotation lacks the batch axis
        words = self._whisper.find_alignment(self._tokenizer, batch, encoded, frames)[0]
        pieces: list[Piece] = []
        seen = 0
        for word in words:
            if seen >= len(known):
                pieces.append(_piece(word, frames / 100))
            seen += len(word["tokens"])
        return tuple(_whole(pieces))


def _readable(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples without NaN and infinities, which count as silence."""
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)


def _piece(word: dict[str, Any], seconds: float) -> Piece:
    """A word of the alignment, inside the audio it was heard in."""
    end = min(max(float(word["end"]), 0.0), seconds)
    begin = min(max(float(word["start"]), end - LONGEST_WORD, 0.0), end)
    probability = min(1.0, max(0.0, float(word["probability"])))
    return Piece(word["word"], begin, end, probability, tuple(word["tokens"]))


def _whole(pieces: Sequence[Piece]) -> list[Piece]:
    """Whole words. A piece without a space in front goes on with the word before it: punctuation, and the rest of
    "ill-disposed"; without a word before it, punctuation belongs to what is known already and is left out.
    """
    words: list[Piece] = []
    for piece in pieces:
        if words and not (piece.text.startswith(" ") and re.search(r"\w", piece.text)):
            words[-1] = _joined(words[-1], piece)
        elif re.search(r"\w", piece.text):
            words.append(piece)
    return [replace(word, text=word.text.strip()) for word in words]


def _joined(word: Piece, more: Piece) -> Piece:
    """One word of two pieces; punctuation adds neither length nor doubt."""
    text, tokens = word.text + more.text.strip(), word.tokens + more.tokens
    if not re.search(r"\w", more.text):
        return replace(word, text=text, tokens=tokens)
    return Piece(text, word.start, max(word.end, more.end), min(word.probability, more.probability), tokens)
