"""What a recogniser says and nobody spoke: loops, words without voice, and the phrases it fills silence with."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from stream.speech.agreement import plain
from stream.speech.asr import Hypothesis, Piece
from stream.speech.vad import SpeechChunk

NO_SPEECH = 0.6  # Whisper's own bounds on its doubt
LOG_PROBABILITY = -1.0
HOPELESS = -1.6  # a mean log probability below this is noise, whatever it thinks of the silence
COMPRESSION = 2.4  # Whisper's own bound: text that zlib shortens more than this repeats itself
ROW = 3
UNSPEAKABLE = 0.12  # seconds; a row of words in less than this was not spoken
REPEATS = 4  # a phrase of up to three words this often in a row is a loop
FASTEST = 7.0  # words in a second of voice
SLACK = 0.35  # seconds by which alignment and voice activity may disagree


class Guard(StrEnum):
    """Why words were not believed."""

    NO_SPEECH = "no speech"
    COMPRESSION = "compression"
    LOOP = "loop"
    RATE = "rate"
    SILENCE = "silence"
    PHANTOM = "phantom"


@dataclass(frozen=True, slots=True)
class Verdict:
    """pieces: the words that are believed. dropped: how many each guard took."""

    pieces: tuple[Piece, ...]
    dropped: tuple[tuple[Guard, int], ...] = ()


def judge(hypothesis: Hypothesis, voice: Sequence[SpeechChunk], start: float) -> Verdict:
    """The words to believe of one pass.

    voice: voice activity of the audio that was read. start: event time of its first sample.
    """
    pieces = hypothesis.pieces
    spoken = [(chunk.start - start, chunk.end - start) for chunk in voice if chunk.speech]
    if not pieces:
        return Verdict(())
    doubtful = hypothesis.score < LOG_PROBABILITY and hypothesis.no_speech > NO_SPEECH
    if doubtful or hypothesis.score < HOPELESS:
        return Verdict((), ((Guard.NO_SPEECH, len(pieces)),))
    if compression(" ".join(piece.text for piece in pieces)) > COMPRESSION:
        return Verdict((), ((Guard.COMPRESSION, len(pieces)),))
    dropped: list[tuple[Guard, int]] = []
    for guard, kept in (
        (Guard.LOOP, _loop(pieces)),
        (Guard.RATE, _possible(pieces, spoken)),
    ):
        if kept < len(pieces):
            dropped.append((guard, len(pieces) - kept))
            pieces = pieces[:kept]
    voiced = tuple(piece for piece in pieces if _overlap(piece, spoken) > 0.0)
    if len(voiced) < len(pieces):
        dropped.append((Guard.SILENCE, len(pieces) - len(voiced)))
    if _phantom(voiced, spoken, hypothesis):
        dropped.append((Guard.PHANTOM, len(voiced)))
        voiced = ()
    return Verdict(voiced, tuple(dropped))


def compression(text: str) -> float:
    """Bytes of the text by bytes of its zlib form."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def _loop(pieces: Sequence[Piece]) -> int:
    """Index of the first word of a loop, else the number of words.

    A decoder that loops gives the aligner words without sound: it puts whole rows of them on one instant. And it says
    the same phrase, or the same letters, again and again.
    """
    words = [plain(piece.text) for piece in pieces]
    for first in range(len(pieces)):
        row = pieces[first : first + ROW]
        if len(row) == ROW and sum(piece.end - piece.start for piece in row) < UNSPEAKABLE:
            return first
        if re.search(r"(\w{1,4}?)\1{4,}", words[first]):
            return first
        for size in (1, 2, 3):
            if words[first : first + size * REPEATS] == words[first : first + size] * REPEATS:
                return first + size  # it was said once
    return len(pieces)


def _possible(pieces: Sequence[Piece], spoken: Sequence[tuple[float, float]]) -> int:
    """How many of the words the voice had time for."""
    if not pieces:
        return 0
    begin = pieces[0].start - SLACK
    voiced = sum(max(0.0, end - max(start, begin)) for start, end in spoken)
    return min(len(pieces), 1 + int(FASTEST * voiced))


def _overlap(piece: Piece, spoken: Sequence[tuple[float, float]]) -> float:
    """Seconds of voice within and around a word."""
    return sum(max(0.0, min(end, piece.end + SLACK) - max(start, piece.start - SLACK)) for start, end in spoken)


def _phantom(pieces: Sequence[Piece], spoken: Sequence[tuple[float, float]], hypothesis: Hypothesis) -> bool:
    return False
