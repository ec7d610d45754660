"""What one stream hears: voice activity, utterances and the features of its sound."""

import asyncio
from collections import deque
from dataclasses import replace

from stream.front_ends import FrontEnds
from stream.records import AUDIO_RATE, AudioFrame, ModalityFeatures, Utterance, Window
from stream.ring import SoundRing
from stream.speech.utterances import Pass, UtteranceTracker
from stream.speech.vad import CHUNK, SpeechChunk, VoiceActivity

UTTERANCE = 15.0  # seconds; the longest utterance (12 s) with its pre-roll must still be in the ring when it is read


class Hearing:
    """The sound of one stream, from frames to audio features and utterances.

    reach: how far back from the newest sound a window may begin, seconds.
    patient: a window waits for the recognition passes that were due by its end (files), or takes what is there (live).
    """

    def __init__(self, front: FrontEnds, reach: float, patient: bool) -> None:
        self._front, self._patient = front, patient
        seconds = max(reach, UTTERANCE)
        self._ring = SoundRing(seconds)
        self._activity, self._tracker = VoiceActivity(), UtteranceTracker()
        self._chunks: deque[SpeechChunk] = deque(maxlen=round(seconds * AUDIO_RATE / CHUNK))
        self._last_speech: float | None = None
        self._passes: deque[tuple[Pass, asyncio.Future[Utterance]]] = deque()
        self._latest: asyncio.Future[Utterance] | None = None
        self._utterances: dict[float, Utterance] = {}

    async def take(self, frame: AudioFrame) -> None:
        """Listen to the next frame; recognition that is due begins in its worker."""
        self._ring.push(frame)
        chunks = self._activity.push(frame)
        self._chunks.extend(chunks)
        if self._front.transcribing:
            await self._recognise(self._tracker.push(chunks))

    async def finish(self) -> None:
        """The sound has ended: recognise what is left."""
        if self._front.transcribing:
            await self._recognise(self._tracker.finish())

    async def features(self, window: Window) -> asyncio.Future[ModalityFeatures]:
        """Begin the audio features of a window that has just closed."""
        while self._chunks and self._chunks[0].end <= window.start:
            self._chunks.popleft()
        inside = [chunk for chunk in self._chunks if chunk.start < window.end]
        spoken = [chunk.end for chunk in inside if chunk.speech]
        self._last_speech = max(spoken, default=self._last_speech)
        samples = self._ring.cut(window.start, window.end)
        return await self._front.hearing.submit(self._front.audio.window, samples, inside, window, self._last_speech)

    async def utterances(self, window: Window) -> tuple[Utterance, ...]:
        """The utterances that overlap the window, as known at its end, in order; or the last one there was."""
        while self._passes and self._passes[0][0].at <= window.end:
            due, heard = self._passes[0]
            if not (self._patient or heard.done()):
                break
            said = await heard
            if not said.words:  # a pass that noise has spoiled does not unsay what an earlier one heard
                said = self._utterances.get(due.start, said)
            self._utterances[due.start] = finished(said) if due.final else said
            self._passes.popleft()
        spoken = [start for start, said in self._utterances.items() if said.words]
        newest = max(spoken, default=0.0)
        kept = sorted(start for start in spoken if start == newest or self._utterances[start].end > window.start)
        self._utterances = {start: self._utterances[start] for start in kept}
        return tuple(self._utterances.values())

    async def _recognise(self, passes: list[Pass]) -> None:
        for due in passes:
            if not (due.repeats and self._latest):
                samples = self._ring.cut(due.start, due.end)
                transcribe = self._front.recogniser.transcribe
                self._latest = await self._front.listening.submit(transcribe, samples, due.start, due.final)
            self._passes.append((due, self._latest))


def finished(utterance: Utterance) -> Utterance:
    """The utterance once it is over: no word of it will change any more."""
    return replace(utterance, final=True, words=tuple(replace(word, final=True) for word in utterance.words))
