"""One stream's words: what was said, what is final, and what to read next. Pure: no model, no clock, no loop."""

from collections import Counter, deque
from dataclasses import dataclass, field, replace

from stream.records import Utterance
from stream.speech.asr import Hypothesis
from stream.speech.guards import Guard, judge
from stream.speech.stretch import CONTEXT, LONGEST_READ, Request, Stretch
from stream.speech.utterances import Mark, Turn, UtteranceRules, UtteranceTracker
from stream.speech.vad import SpeechChunk

STALE = 2.0  # times the bound of the lag; speech that waits longer than this is not read, however little it is


@dataclass(slots=True)
class HearingCounts:
    """What recognition of a stream did. passes: begun. superseded: due, and replaced by a newer one before it began.

    skips: how often it skipped to the newest speech, skipped: seconds of speech that were not read so. phantoms: words
    that were not believed, by guard.
    """

    passes: int = 0
    superseded: int = 0
    skips: int = 0
    skipped: float = 0.0
    phantoms: Counter[Guard] = field(default_factory=Counter[Guard])


class Transcript:
    """The words of one stream, a function of the order of its calls alone.

    lag: seconds of speech that may wait to be read; when there is more, the oldest is skipped.
    """

    def __init__(self, lag: float, rules: UtteranceRules | None = None, context: float = CONTEXT) -> None:
        self._lag, self._context = lag, context
        self._tracker = UtteranceTracker(rules)
        self._stretches: deque[Stretch] = deque()
        self._done: deque[Utterance] = deque()
        self._voice: deque[SpeechChunk] = deque()
        self._unread: deque[SpeechChunk] = deque()  # speech that no pass was begun for
        self._skipped: deque[tuple[float, float]] = deque()
        self._running: tuple[Stretch, Request] | None = None
        self.counts = HearingCounts()

    @property
    def running(self) -> bool:
        """Whether a pass was begun and is not over."""
        return self._running is not None

    def push(self, chunk: SpeechChunk) -> None:
        """Listen on; then `begin` tells whether there is something to read."""
        self._voice.append(chunk)
        while self._voice[0].end < chunk.end - LONGEST_READ - STALE * self._lag:
            self._voice.popleft()
        if chunk.speech:
            self._unread.append(chunk)
        for mark in self._tracker.push([chunk]):
            self._follow(mark)
        self._catch_up(chunk.end)

    def finish(self) -> None:
        """The sound has ended; what was not read is due now."""
        for mark in self._tracker.finish():
            self._follow(mark)

    def begin(self) -> Request | None:
        """The next pass, if one is due and none is running."""
        stretch = next((one for one in self._stretches if one.due), None)
        if self._running or stretch is None:
            return None
        request = stretch.begin(stretch.wanted if stretch.closed else max(stretch.wanted, self._tracker.reach))
        self._forget(request.end)
        request = replace(request, voiced=self._voiced(request.known_end, request.end))
        self._running = stretch, request
        self.counts.passes += 1
        return request

    def apply(self, hypothesis: Hypothesis | None) -> None:
        """The running pass is over. None: it failed, and what was known stays."""
        if not self._running:
            return
        (stretch, request), self._running = self._running, None
        voice = [chunk for chunk in self._voice if chunk.end > request.start and chunk.start < request.end]
        verdict = judge(hypothesis, voice, request.start) if hypothesis else None
        for guard, count in verdict.dropped if verdict else ():
            self.counts.phantoms[guard] += count
        stretch.apply(verdict.pieces if verdict else (), request)
        self._hand_over()

    def utterances(self, start: float) -> tuple[Utterance, ...]:
        """The utterances that end after `start`, in order; or the last one there was."""
        known = [*self._done, *(said for stretch in self._stretches for said in stretch.utterances())]
        spoken = [said for said in known if said.words]
        while len(self._done) > 1 and self._done[0].end <= start:
            self._done.popleft()
        return tuple(said for said in spoken if said is spoken[-1] or said.end > start)

    def skipped(self, start: float, end: float) -> float:
        """Seconds of speech in `[start, end)` that were not read since recognition was behind."""
        while self._skipped and self._skipped[0][1] <= start:
            self._skipped.popleft()
        return sum(max(0.0, min(end, last) - max(start, first)) for first, last in self._skipped)

    def _voiced(self, start: float, end: float) -> float:
        """Seconds of voice in `[start, end)`."""
        inside = ((max(chunk.start, start), min(chunk.end, end)) for chunk in self._voice if chunk.speech)
        return sum(max(0.0, last - first) for first, last in inside)

    def _follow(self, mark: Mark) -> None:
        if mark.turn is Turn.OPEN:
            self._stretches.append(Stretch(mark.time, self._context))
            return
        stretch = self._stretches[-1]
        if mark.turn is Turn.READ and mark.time > stretch.asked:
            self.counts.superseded += stretch.due
            stretch.wanted = mark.time
        elif mark.turn is Turn.SETTLED:
            stretch.settle(mark.time)
        elif mark.turn is Turn.CUT:
            stretch.cut(mark.time)
        elif mark.turn is Turn.CLOSED:
            stretch.close(mark.time)
            if not stretch.due:
                self._forget(mark.time)  # a click
        self._hand_over()

    def _hand_over(self) -> None:
        for stretch in self._stretches:
            self._done.extend(said for said in stretch.hand_over() if said.words)
        while self._stretches and self._stretches[0].complete:
            self._stretches.popleft()

    def _forget(self, until: float) -> None:
        while self._unread and self._unread[0].start < until:
            self._unread.popleft()

    def _catch_up(self, now: float) -> None:
        """Skip to the newest speech when more than the bound waits."""
        if not self._unread:
            return
        waiting = sum(chunk.end - chunk.start for chunk in self._unread)
        stale = now - self._unread[0].start > STALE * self._lag
        if waiting <= self._lag and not stale:
            return
        place = max(self._newest(), now - self._lag) if stale else self._newest()
        self.counts.skips += 1
        while self._unread and self._unread[0].start < place:
            gone = self._unread.popleft()
            self._skipped.append((gone.start, gone.end))
            self.counts.skipped += gone.end - gone.start
        split = [(stretch, stretch.skip(place)) for stretch in self._stretches if stretch.asked < place]
        untouched = [stretch for stretch in self._stretches if stretch not in [one for one, _ in split]]
        rest = [new for _, new in split if new]
        self._stretches = deque([*(old for old, _ in split), *rest, *untouched])
        self._hand_over()

    def _newest(self) -> float:
        """Where the newest speech begins: after the longest pause, with a third to two thirds of the bound to read."""
        chunks = list(self._unread)
        seconds, best, place = 0.0, -1.0, chunks[-1].start
        for before, chunk in zip(reversed(chunks[:-1]), reversed(chunks), strict=False):
            seconds += chunk.end - chunk.start
            if seconds > self._lag * 2 / 3:
                break
            if seconds >= self._lag / 3 and chunk.start - before.end > best:
                best, place = chunk.start - before.end, chunk.start
        return place
