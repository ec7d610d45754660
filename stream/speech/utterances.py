"""Which stretch of audio to recognise, and when: a pure state machine over voice activity, in event time.

    speech       ____######__####______########__________________
    passes            p    p  |    |      p    |             |
                      1 s  2 s  pause       pause 0.4 s      final, 1.5 s after the last speech

Every pass reads the utterance from its beginning, so that the words settle as their context grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from stream.speech.vad import SpeechChunk

ROUNDING = 1e-6  # seconds; times are sums, and a rule of 0.4 s shall not wait for one chunk more


@dataclass(frozen=True, slots=True)
class UtteranceRules:
    """When an utterance opens, is read and ends. All in seconds of event time."""

    lead_in: float = 0.25
    """Audio before the first speech chunk that belongs to it: the onset of a word is quieter than the word."""
    tail: float = 0.3
    """Audio after the last speech chunk that belongs to it."""
    partial_every: float = 1.0
    """A growing utterance is read this often,"""
    partial_share: float = 0.125
    """or after this share of its length, if that is more: a pass costs as much as the utterance is long."""
    pause: float = 0.4
    """A silence after which it is read at once: what was said is complete for now."""
    silence: float = 1.5
    """A silence that ends it. An orator's pause in mid-sentence reaches 1.2 s."""
    longest: float = 12.0
    """It is cut, at a pause if it has one, when it reaches this length; an encoder pass costs 6 ms per second."""
    least_speech: float = 0.2
    """Less speech than this is a click or a cough and is not read."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Recognise the audio `[start, end)`. final: the utterance is over. at: event time at which the pass is due.

    repeats: the stretch is the one of the pass before, whose words need only be marked final.
    """

    start: float
    end: float
    final: bool
    at: float
    repeats: bool = False


class UtteranceTracker:
    """One stream's utterances. The same chunks give the same passes, however they were handed over."""

    def __init__(self, rules: UtteranceRules | None = None) -> None:
        self._rules = rules or UtteranceRules()
        self._chunks: list[SpeechChunk] = []  # of the open utterance
        self._start = 0.0
        self._floor = float("-inf")  # no utterance reaches back before this
        self._end: float | None = None  # of the last chunk seen
        self._last: Pass | None = None  # of the open utterance
        self._partial_due = 0.0

    def push(self, chunks: Sequence[SpeechChunk]) -> list[Pass]:
        """The passes that these chunks made due, in order."""
        passes: list[Pass] = []
        for chunk in chunks:
            if self._end is None or chunk.start > self._end + 1e-3:  # a gap in the audio
                passes += self.finish()
                self._floor = chunk.start
            self._end = chunk.end
            passes += self._step(chunk)
        return passes

    def finish(self) -> list[Pass]:
        """The final pass of the utterance that is still open, when the audio has ended or has a hole."""
        if not self._chunks or self._end is None:
            return []
        return self._close(self._reach(), self._end)

    def _step(self, chunk: SpeechChunk) -> list[Pass]:
        if not self._chunks:
            if chunk.speech:
                self._open(max(self._floor, chunk.start - self._rules.lead_in), [chunk])
            return []
        self._chunks.append(chunk)
        quiet = chunk.end - self._speech_end() + ROUNDING
        if quiet >= self._rules.silence:
            return self._close(self._reach(), chunk.end)
        if chunk.end - self._start >= self._rules.longest:
            return self._cut(chunk.end)
        fresh = self._last is None or self._last.end < self._speech_end()
        paused = quiet >= self._rules.pause
        if fresh and (paused or (chunk.speech and chunk.end + ROUNDING >= self._partial_due)):
            return self._read(chunk.end)
        return []

    def _open(self, start: float, chunks: list[SpeechChunk]) -> None:
        self._start = start
        self._chunks = chunks
        self._last = None
        self._partial_due = chunks[-1].end + self._rules.partial_every

    def _read(self, at: float) -> list[Pass]:
        """A partial pass over all that was said so far."""
        if self._spoken() < self._rules.least_speech:
            return []
        self._partial_due = at + max(self._rules.partial_every, self._rules.partial_share * (at - self._start))
        self._last = Pass(self._start, self._reach(), final=False, at=at)
        return [self._last]

    def _close(self, end: float, at: float) -> list[Pass]:
        """The final pass over `[start, end)`; nothing is open after it."""
        said = self._spoken() >= self._rules.least_speech
        repeats = self._last is not None and self._last.end == end
        start, self._chunks, self._last, self._floor = self._start, [], None, end
        return [Pass(start, end, final=True, at=at, repeats=repeats)] if said else []

    def _cut(self, at: float) -> list[Pass]:
        """End an utterance that grew too long at its quietest place of late; what follows is the next one."""
        place = self._quietest()
        rest = self._chunks[place:]
        self._chunks = self._chunks[:place]
        passes = self._close(self._chunks[-1].end, at)
        while rest and not rest[0].speech:  # the next one opens on speech, as any other
            del rest[0]
        if rest:
            self._open(max(self._floor, rest[0].start - self._rules.lead_in), rest)
            passes += self._read(at)  # its words were heard already and must not be gone until its first partial pass
        return passes

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

    def _speech_end(self) -> float:
        return next(chunk.end for chunk in reversed(self._chunks) if chunk.speech)

    def _reach(self) -> float:
        """Where the audio of the utterance ends, as far as it is known."""
        return min(self._speech_end() + self._rules.tail, self._chunks[-1].end)

    def _spoken(self) -> float:
        return sum(chunk.end - chunk.start for chunk in self._chunks if chunk.speech)
