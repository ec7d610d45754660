"""When to read a stretch of speech, and where its utterances end: a pure state machine over voice activity, event time.

    speech    ____########__####______########____________________
    marks       open   read   read  settled   read  settled     closed
                       0.5 s  pause 0.3 s           0.5 s       1.5 s after the last speech

What was recognised plays no part, so the marks of a stream depend on its sound alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from stream.speech.vad import SpeechChunk

ROUNDING = 1e-6  # seconds; times are sums, and a rule of 0.3 s shall not wait for one chunk more


@dataclass(frozen=True, slots=True)
class UtteranceRules:
    """When an utterance opens, is read and ends. All in seconds of event time."""

    lead_in: float = 0.25
    """Audio before the first speech chunk that belongs to it: the onset of a word is quieter than the word."""
    tail: float = 0.3
    """Audio after the last speech chunk that belongs to it."""
    first_partial: float = 0.5
    """It is read for the first time after this much,"""
    partial_every: float = 1.0
    """and then this often, while it grows."""
    pause: float = 0.3
    """A silence after which it is read at once: what was said is complete for now."""
    settled: float = 0.5
    """A silence after which the words before it are final, once they are read; the sentence may still go on."""
    silence: float = 1.5
    """A silence that ends it. An orator's pause in mid-sentence reaches 1.2 s."""
    longest: float = 12.0
    """It is cut, at a pause if it has one, when it reaches this length and goes on."""
    least_speech: float = 0.2
    """Less speech than this is a click or a cough and is not read."""


class Turn(StrEnum):
    """What happened to the speech of a stream."""

    OPEN = "open"
    READ = "read"
    SETTLED = "settled"
    CUT = "cut"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Mark:
    """A turn in the speech. at: event time at which it is known.

    time, by kind. open: where the first utterance begins. read: how far the audio is to be read. settled: the end of
    the speech whose words are complete. cut: where one utterance ends and the next begins. closed: where the last
    utterance ends.
    """

    turn: Turn
    time: float
    at: float


class UtteranceTracker:
    """One stream's utterances. The same chunks give the same marks, however they were handed over."""

    def __init__(self, rules: UtteranceRules | None = None) -> None:
        self._rules = rules or UtteranceRules()
        self._chunks: list[SpeechChunk] = []  # of the open utterance
        self._start = 0.0
        self._floor = float("-inf")  # no utterance reaches back before this
        self._end: float | None = None  # of the last chunk seen
        self._last_speech = 0.0  # end of the last speech chunk
        self._spoken = 0.0  # seconds of speech since the silence before
        self._read = 0.0  # what the last mark asked to read
        self._settled = True
        self._partial_due = 0.0

    @property
    def reach(self) -> float:
        """Where the audio of the open utterance ends, as far as it is known."""
        return min(self._last_speech + self._rules.tail, self._end or 0.0)

    def push(self, chunks: Sequence[SpeechChunk]) -> list[Mark]:
        """The turns that these chunks brought, in order."""
        marks: list[Mark] = []
        for chunk in chunks:
            if self._end is None or chunk.start > self._end + 1e-3:  # a gap in the audio
                marks += self.finish()
                self._floor = chunk.start
            self._end = chunk.end
            marks += self._step(chunk)
        return marks

    def finish(self) -> list[Mark]:
        """The audio has ended or has a hole: so does the utterance that is still open."""
        return [] if not self._chunks or self._end is None else self._close(self._end)

    def _step(self, chunk: SpeechChunk) -> list[Mark]:
        if chunk.speech:
            self._last_speech, self._settled = chunk.end, False
            self._spoken += chunk.end - chunk.start
        if not self._chunks:
            return self._open(chunk) if chunk.speech else []
        self._chunks.append(chunk)
        quiet = chunk.end - self._last_speech + ROUNDING
        if quiet >= self._rules.silence:
            return self._close(chunk.end)
        marks: list[Mark] = []
        if chunk.speech and chunk.end - self._start >= self._rules.longest:
            marks += self._cut(chunk.end)
        paused = quiet >= self._rules.pause
        if self._fresh() and (paused or (chunk.speech and chunk.end + ROUNDING >= self._partial_due)):
            marks.append(self._ask(chunk.end))
        if quiet >= self._rules.settled and not self._settled:
            self._settled = True
            marks.append(Mark(Turn.SETTLED, self._last_speech, chunk.end))
        return marks

    def _open(self, chunk: SpeechChunk) -> list[Mark]:
        self._start = max(self._floor, chunk.start - self._rules.lead_in)
        self._chunks, self._spoken, self._read = [chunk], chunk.end - chunk.start, self._start
        self._partial_due = chunk.start + self._rules.first_partial
        return [Mark(Turn.OPEN, self._start, chunk.end)]

    def _fresh(self) -> bool:
        """Whether there is speech that was not asked for, and enough of it."""
        return self._read < self._last_speech and self._spoken + ROUNDING >= self._rules.least_speech

    def _ask(self, at: float) -> Mark:
        self._partial_due = at + self._rules.partial_every
        self._read = self.reach
        return Mark(Turn.READ, self._read, at)

    def _close(self, at: float) -> list[Mark]:
        marks = [self._ask(at)] if self._fresh() else []
        end = self.reach
        self._chunks, self._floor, self._settled = [], end, True
        return [*marks, Mark(Turn.CLOSED, end, at)]

    def _cut(self, at: float) -> list[Mark]:
        """End an utterance that grew too long at its quietest place of late; what follows is the next one."""
        place = self._quietest()
        self._start, self._chunks = self._chunks[place].start, self._chunks[place:]
        return [Mark(Turn.CUT, self._start, at)]

    def _quietest(self) -> int:
        """Index of the chunk to cut before: the middle of the longest quiet run in the second half, of equals the last.

        Where nobody paused for breath, the least likely speech chunk there.
        """
        half = len(self._chunks) // 2
        run, best, place = 0, 0, 0
        for index in range(half, len(self._chunks)):
            run = 0 if self._chunks[index].speech else run + 1
            if run and run >= best:
                best, place = run, index - run // 2
        if best:
            return place
        return min(range(half, len(self._chunks)), key=lambda index: self._chunks[index].probability)
