"""Whisper on short contexts: words with times and probabilities, and the encoder's states for the audio features.

Whisper pads every piece of audio to 30 s. Its encoder accepts less, and reading only the speech and two seconds of
padding costs a sixth. Less padding, or a sentence that stops in the middle, makes the small models repeat themselves
or speak of nothing; the guards below cut that off.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from stream.errors import WeightsError
from stream.records import AUDIO_RATE, Utterance, Word

PADDING = 2.0  # seconds of silence after the speech; with 1 s tiny.en looped in 14 of 47 windows, with 2 s in none
LONGEST = 28.0  # seconds; with its padding this fills the 30 s that the encoder has positions for
SHORTEST = 400  # samples that the spectrogram needs at least
TOKENS_PER_SECOND = 8  # nobody speaks faster; what the decoder says beyond that, it makes up
NO_SPEECH = 0.6  # Whisper's own bounds on its doubt
LOG_PROBABILITY = -1.0
HOPELESS = -1.6  # a mean log probability below this is noise, whatever it thinks of the silence
UNSPEAKABLE = 0.12  # seconds; so many words in less than this were not spoken
ROW = 3
LONGEST_WORD = 1.0  # seconds; alignment stretches the first word after a pause over the pause


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word as the alignment gives it, in seconds from the start of the audio."""

    text: str
    start: float
    end: float
    probability: float


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

    def transcribe(self, samples: NDArray[np.float32], start: float, final: bool) -> Utterance:
        """The words in `samples`, float32 `[n]` at 16 kHz, whose first sample is at event time `start`.

        Of more than 28 s only the first 28 are read. No words when Whisper itself doubts that anybody spoke.
        """
        samples = _readable(samples)[: int(LONGEST * AUDIO_RATE)]
        seconds = len(samples) / AUDIO_RATE
        pieces = _spoken(self._decode(samples)) if len(samples) >= SHORTEST else []
        words = tuple(_word(piece, start, seconds, final) for piece in pieces)
        return Utterance(start, start + seconds, words, final)

    def encoder_states(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """The encoder's last layer, float32 `[T, width]`, one row for every 20 ms of `samples` (float32 `[n]`, 16 kHz).

        At least one row; of more than 28 s only the first 28 are read. Width is 384 for tiny, 512 for base.
        """
        samples = _readable(samples)[: int(LONGEST * AUDIO_RATE)]
        samples = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
        return np.array(self._whisper.encode(self._spectrogram(samples)), dtype=np.float32)[0]

    def _spectrogram(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log mel, float32 `[80, n / 160]`; an even number of frames, as the encoder halves them."""
        mel = self._whisper.feature_extractor(samples, padding=0)
        return np.ascontiguousarray(mel[:, : mel.shape[1] // 2 * 2], dtype=np.float32)

    def _decode(self, samples: NDArray[np.float32]) -> list[_Piece]:
        """Greedy decoding on a short context, then alignment by cross-attention."""
        seconds = len(samples) / AUDIO_RATE
        encoded = self._whisper.encode(self._spectrogram(np.pad(samples, (0, int(PADDING * AUDIO_RATE)))))
        prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]
        result = self._whisper.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=min(224, len(prompt) + 4 + int(TOKENS_PER_SECOND * seconds)),
            no_repeat_ngram_size=4,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        score = result.scores[0]
        if score < HOPELESS or (score < LOG_PROBABILITY and result.no_speech_prob > NO_SPEECH):
            return []
        tokens = [token for token in result.sequences_ids[0] if token < self._tokenizer.eot]
        if not tokens:
            return []
        frames = max(2, len(samples) // 160)
        batch: Any = [tokens]  # faster-whisper's own annotation lacks the batch axis
        aligned = self._whisper.find_alignment(self._tokenizer, batch, encoded, frames)
        return [
            _Piece(word["word"], float(word["start"]), float(word["end"]), float(word["probability"]))
            for word in aligned[0]
        ]


def _readable(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples without NaN and infinities, which count as silence."""
    return np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)


def _spoken(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Whole words, cut where the decoder ran on after the speech had ended.

    A piece without a space in front goes on with the word before it: punctuation, and the rest of "ill-disposed".
    """
    words: list[_Piece] = []
    for piece in pieces:
        if words and not (piece.text.startswith(" ") and re.search(r"\w", piece.text)):
            words[-1] = _joined(words[-1], piece)
        elif re.search(r"\w", piece.text):
            words.append(piece)
    return words[: _loop(words)]


def _joined(word: _Piece, more: _Piece) -> _Piece:
    """One word of two pieces; punctuation adds neither length nor doubt."""
    text = word.text + more.text.strip()
    if not re.search(r"\w", more.text):
        return replace(word, text=text)
    return _Piece(text, word.start, max(word.end, more.end), min(word.probability, more.probability))


def _loop(words: Sequence[_Piece]) -> int:
    """Index of the first word that nobody spoke, else the number of words.

    A decoder that loops gives the aligner words without sound: it puts whole rows of them on one instant.
    """
    for first in range(len(words) - ROW + 1):
        if sum(word.end - word.start for word in words[first : first + ROW]) < UNSPEAKABLE:
            return first
    return len(words)


def _word(piece: _Piece, start: float, seconds: float, final: bool) -> Word:
    """A word on the event clock, inside the audio it was heard in."""
    end = min(max(piece.end, 0.0), seconds)
    begin = min(max(piece.start, end - LONGEST_WORD, 0.0), end)
    return Word(start + begin, start + end, piece.text.strip(), min(1.0, max(0.0, piece.probability)), final)
