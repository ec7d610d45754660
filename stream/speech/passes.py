"""How passes of recognition are made: one at a time and reported (live), or all that are due, in order (files)."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from stream.records import AudioFrame, Utterance, Window
from stream.ring import SoundRing
from stream.speech.asr import Hypothesis, Recogniser
from stream.speech.stretch import LONGEST_READ, Request
from stream.speech.transcript import STALE, HearingCounts, Transcript
from stream.speech.utterances import UtteranceRules
from stream.speech.vad import SpeechChunk
from stream.worker import Worker

SPARE = 4.0  # seconds of sound kept beyond what a pass may reach back to
LUMP = 1.0  # seconds of a file that are handed to the worker at once, if no window closes before
UNHURRIED = UtteranceRules(settled=1.5)  # nobody waits for a file: what follows a pause may still mend the words before
BACKLOG = 16  # lumps of one file that may wait


class Passes(Protocol):
    """The recognition of one stream."""

    @property
    def counts(self) -> HearingCounts:
        """What was done so far."""
        ...

    async def take(self, frame: AudioFrame, chunks: Sequence[SpeechChunk]) -> None:
        """The next frame, and the voice activity that it completed."""
        ...

    async def hear(self) -> None:
        """Apply the running pass, and begin the next if one is due."""
        ...

    async def finish(self) -> None:
        """The sound has ended: read what is left."""
        ...

    async def utterances(self, window: Window) -> asyncio.Future[tuple[Utterance, ...]]:
        """The words as they are known in this moment; raises what broke a pass since the window before."""
        ...

    def skipped(self, window: Window) -> float:
        """Seconds of speech in the window that were not read because recognition was behind."""
        ...

    async def close(self) -> None:
        """End what was begun."""
        ...


class _Listener:
    """Sound and words of one stream, and the model that reads them."""

    def __init__(self, recogniser: Recogniser, lag: float, rules: UtteranceRules | None = None) -> None:
        self._recogniser = recogniser
        self._ring = SoundRing(LONGEST_READ + STALE * lag + SPARE)
        self.transcript = Transcript(lag, rules)
        self._broken: Exception | None = None

    def push(self, frame: AudioFrame) -> None:
        self._ring.push(frame)

    def reading(self, request: Request) -> Callable[[], Hypothesis]:
        """The pass, ready to run in any thread."""
        samples = self._ring.cut(request.start, request.end)
        return lambda: self._recogniser.read(samples, request.known, request.voiced)

    def failed(self, error: Exception) -> None:
        """A pass broke: the stream goes on without it, and the next window tells."""
        self._broken = error
        self.transcript.apply(None)

    def utterances(self, window: Window) -> tuple[Utterance, ...]:
        if self._broken:
            broken, self._broken = self._broken, None
            raise broken
        return self.transcript.utterances(window.start)


class LivePasses:
    """Never makes anybody wait: a pass that is over changes nothing until `hear` is called.

    wake: called on the loop when that is worth while.
    """

    def __init__(self, recogniser: Recogniser, worker: Worker, lag: float, wake: Callable[[], None]) -> None:
        self._listener, self._worker, self._wake = _Listener(recogniser, lag), worker, wake
        self._running: asyncio.Future[Hypothesis] | None = None

    @property
    def counts(self) -> HearingCounts:
        return self._listener.transcript.counts

    async def take(self, frame: AudioFrame, chunks: Sequence[SpeechChunk]) -> None:
        self._listener.push(frame)
        for chunk in chunks:
            self._listener.transcript.push(chunk)
        await self._begin()

    async def hear(self) -> None:
        if self._running is None:
            return
        running, self._running = self._running, None
        try:
            self._listener.transcript.apply(await running)
        except Exception as error:
            self._listener.failed(error)
        await self._begin()

    async def finish(self) -> None:
        self._listener.transcript.finish()
        await self._begin()
        while self._running:
            await self.hear()

    async def utterances(self, window: Window) -> asyncio.Future[tuple[Utterance, ...]]:
        known: asyncio.Future[tuple[Utterance, ...]] = asyncio.get_running_loop().create_future()
        try:
            known.set_result(self._listener.utterances(window))
        except Exception as error:
            known.set_exception(error)
            known.exception()  # seen: who awaits the window gets it
        return known

    def skipped(self, window: Window) -> float:
        return self._listener.transcript.skipped(window.start, window.end)

    async def close(self) -> None:
        running, self._running = self._running, None
        if running:
            running.cancel()

    async def _begin(self) -> None:
        request = self._listener.transcript.begin()
        if request:
            self._running = await self._worker.submit(self._listener.reading(request))
            self._running.add_done_callback(self._over)

    def _over(self, running: asyncio.Future[Hypothesis]) -> None:
        if running is self._running:
            self._wake()


class PatientPasses:
    """Reads a file as if recognition took no time: each pass is made when it is due, in the worker, beside the rest."""

    def __init__(self, recogniser: Recogniser, worker: Worker, lag: float) -> None:
        self._listener, self._worker = _Listener(recogniser, lag, UNHURRIED), worker  # used in its thread alone
        self._coming: list[tuple[AudioFrame, Sequence[SpeechChunk]]] = []
        self._pending: deque[asyncio.Future[tuple[Utterance, ...]]] = deque()

    @property
    def counts(self) -> HearingCounts:
        return self._listener.transcript.counts

    async def take(self, frame: AudioFrame, chunks: Sequence[SpeechChunk]) -> None:
        self._coming.append((frame, chunks))
        if frame.end - self._coming[0][0].pts >= LUMP:
            await self._submit(None)

    async def hear(self) -> None:
        """Nothing waits to be applied."""

    async def finish(self) -> None:
        await self._submit(None, last=True)

    async def utterances(self, window: Window) -> asyncio.Future[tuple[Utterance, ...]]:
        return await self._submit(window)

    def skipped(self, window: Window) -> float:
        return 0.0

    async def close(self) -> None:
        for future in self._pending:
            future.cancel()
        self._pending.clear()

    async def _submit(self, window: Window | None, last: bool = False) -> asyncio.Future[tuple[Utterance, ...]]:
        coming, self._coming = self._coming, []
        while self._pending and (self._pending[0].done() or len(self._pending) >= BACKLOG):
            await asyncio.wait([self._pending.popleft()])
        self._pending.append(await self._worker.submit(self._read, coming, window, last))
        return self._pending[-1]

    def _read(
        self, coming: Sequence[tuple[AudioFrame, Sequence[SpeechChunk]]], window: Window | None, last: bool
    ) -> tuple[Utterance, ...]:
        for frame, chunks in coming:
            self._listener.push(frame)
            for chunk in chunks:
                self._listener.transcript.push(chunk)
                self._recognise()
        if last:
            self._listener.transcript.finish()
            self._recognise()
        return self._listener.utterances(window) if window else ()

    def _recognise(self) -> None:
        while request := self._listener.transcript.begin():
            try:
                self._listener.transcript.apply(self._listener.reading(request)())
            except Exception as error:
                self._listener.failed(error)
