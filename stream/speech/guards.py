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
HOPELESS = -1.6  # a mean log probability below this is noise, unless
CLEAR = 0.35  # its words are at least so probable, and it does not take it for silence: a single "No."
COMPRESSION = 2.4  # Whisper's own bound: text that zlib shortens more than this repeats itself
ROW = 3
UNSPEAKABLE = 0.12  # seconds; a row of words in less than this was not spoken
REPEATS = 4  # a phrase of up to three words this often in a row is a loop
UNHURRIED = 0.2  # seconds of voice for a word that is said twice
FASTEST = 7.0  # words in a second of voice
PERHAPS_SILENCE = 0.5  # no-speech probability above which a phrase that is often a phantom must be sure
SURE = 0.7  # mean probability of its words from which it is believed nevertheless
VOICED_WORD = 0.1  # seconds of voice that each of its words needs
SLACK = 0.35  # seconds by which alignment and voice activity may disagree

# What tiny.en says of rooms, hum, clicks, typing and music when no voice activity stands before it: the phrases that
# made up 407 of 696 such passes (docs/speech.md), and Whisper's well-known farewells.
PHANTOMS = frozenset(
    (
        "you, thank you, thank you very much, thanks, thanks for watching, thank you for watching, bye, bye bye, "
        "see you next time, see you in the next video, please subscribe, subscribe, we'll be right back, music, "
        "i, i'm, i'm so, i'm sorry, i'm so sorry, i'm here, i'm not, i'm trying, i don't, i don't know, it's, "
        "okay, ok, oh, ah, uh, um, so, the, a, and, no, yeah, back, beep"
    ).split(", ")
)
PHANTOM_SENTENCE = re.compile(
    r"i'm (gonna|going to) (go|get|do|be|see|make|take)\b"
    r"|.*\b(end of the (video|game)|next (one|video))$"
    r"|(beep|you|oh)( \3)+$"
)


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
    if not _credible(hypothesis):
        return Verdict((), ((Guard.NO_SPEECH, len(pieces)),))
    if compression(" ".join(piece.text for piece in pieces)) > COMPRESSION:
        return Verdict((), ((Guard.COMPRESSION, len(pieces)),))
    dropped: list[tuple[Guard, int]] = []
    for guard, kept in (  # how many words each leaves
        (Guard.LOOP, _loop(pieces)),
        (Guard.LOOP, _echo(pieces, spoken)),
        (Guard.RATE, _possible(pieces, spoken)),
    ):
        if kept < len(pieces):
            dropped.append((guard, len(pieces) - kept))
            pieces = pieces[:kept]
    voiced = tuple(piece for piece in pieces if _voiced(spoken, piece.start - SLACK, piece.end + SLACK) > 0.0)
    if len(voiced) < len(pieces):
        dropped.append((Guard.SILENCE, len(pieces) - len(voiced)))
    if voiced and _phantom(voiced, spoken, hypothesis.no_speech):
        dropped.append((Guard.PHANTOM, len(voiced)))
        voiced = ()
    return Verdict(voiced, tuple(dropped))


def _credible(hypothesis: Hypothesis) -> bool:
    """Whether the recogniser itself believes that somebody spoke."""
    if hypothesis.no_speech > NO_SPEECH:
        return hypothesis.score >= LOG_PROBABILITY
    return hypothesis.score >= HOPELESS or _sure(hypothesis.pieces) >= CLEAR


def _sure(pieces: Sequence[Piece]) -> float:
    """Mean probability of the words."""
    return sum(piece.probability for piece in pieces) / len(pieces)


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


def _echo(pieces: Sequence[Piece], spoken: Sequence[tuple[float, float]]) -> int:
    """Number of words before the last ones say the ones before them again, and there was no time to say them twice.

    After a short sentence the decoder likes to go on into the padding: "Thank you. Thank you."
    """
    words = [plain(piece.text) for piece in pieces]
    for size in range(len(words) // 2, 0, -1):
        if words[-size:] == words[-2 * size : -size]:
            twice = _voiced(spoken, pieces[-2 * size].start - SLACK, pieces[-1].end + SLACK)
            return len(words) if twice >= UNHURRIED * 2 * size else len(words) - size
    return len(words)


def _possible(pieces: Sequence[Piece], spoken: Sequence[tuple[float, float]]) -> int:
    """How many of the words the voice had time for."""
    voiced = _voiced(spoken, pieces[0].start - SLACK, float("inf"))
    return min(len(pieces), 1 + int(FASTEST * voiced))


def _voiced(spoken: Sequence[tuple[float, float]], start: float, end: float) -> float:
    """Seconds of voice in `[start, end)`."""
    return sum(max(0.0, min(last, end) - max(first, start)) for first, last in spoken)


def _phantom(pieces: Sequence[Piece], spoken: Sequence[tuple[float, float]], no_speech: float) -> bool:
    """Whether this is what the recogniser says of noise, and neither its confidence nor the voice speaks for it."""
    text = " ".join(plain(piece.text) for piece in pieces)
    if not (text in PHANTOMS or PHANTOM_SENTENCE.match(text)):
        return False
    unsure = _sure(pieces) < (SURE if no_speech > PERHAPS_SILENCE else CLEAR)
    return unsure or _voiced(spoken, pieces[0].start - SLACK, pieces[-1].end + SLACK) < VOICED_WORD * len(pieces)
