"""What one stream hears: voice activity, words and the features of its sound."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from ebmc_core.modality import Modality
from stream.features.audio import AudioFrontEnd
from stream.front_ends import FrontEnds
from stream.records import AUDIO_RATE, AudioFrame, ModalityFeatures, State, Utterance, Window
from stream.ring import SoundRing
from stream.speech.passes import LivePasses, Passes, PatientPasses
from stream.speech.transcript import HearingCounts
from stream.speech.vad import CHUNK, SpeechChunk, VoiceActivity

log = logging.getLogger(__name__)
Value = TypeVar("Value")

TOGETHER = 0.09  # seconds of live sound whose voice activity is asked for in one call, which halves its cost
REUSED = 1.5  # seconds for which the analysis of an earlier window may stand for one that there is no time to analyse


@dataclass(frozen=True, slots=True, eq=False)
class HeardWindow:
    """What was heard in a window that has just closed; audio and utterances raise what broke them.

    speech: voice activity inside the window. skipped: seconds of its speech that were not read because speech
    recognition was behind; known at once in a live stream, and 0 in a file, which waits. spared: its sound was not
    analysed, for want of time.
    """

    audio: asyncio.Future[ModalityFeatures]
    utterances: asyncio.Future[tuple[Utterance, ...]]
    speech: tuple[SpeechChunk, ...]
    skipped: float
    spared: bool = False


class Hearing:
    """The sound of one stream, from frames to audio features and utterances.

    reach: how far back from the newest sound a window may begin, seconds. patient: a window gets every recognition
    pass that was due by its end (files), or what is there (live). wake: called on the loop when a live pass is over;
    nothing changes until `hear` is called, so that what is known depends on the order of the calls alone.
    without: modalities nobody wants; their work is left out.
    """

    def __init__(
        self,
        front: FrontEnds,
        reach: float,
        patient: bool,
        wake: Callable[[], None],
        without: frozenset[Modality] = frozenset(),
    ) -> None:
        self._front, self._without = front, without
        self._ring = SoundRing(reach)
        self._activity = VoiceActivity()
        self._chunks: deque[SpeechChunk] = deque(maxlen=round(reach * AUDIO_RATE / CHUNK))
        self._unheard: list[AudioFrame] = []  # whose voice activity was not asked for yet
        self._patient = patient
        self._last_speech: float | None = None
        self._behind = self._ended = False
        self._analysed: tuple[float, asyncio.Future[ModalityFeatures]] | None = None
        self._passes: Passes | None = None
        if front.transcribing and Modality.TEXT not in without:
            self._passes = (
                PatientPasses(front.recogniser, front.listening, front.lag)
                if patient
                else LivePasses(front.recogniser, front.listening, front.lag, wake)
            )

    @property
    def counts(self) -> HearingCounts:
        """What speech recognition did for this stream."""
        return self._passes.counts if self._passes else HearingCounts()

    async def take(self, frame: AudioFrame) -> None:
        """Listen to the next frame; recognition that is due begins in its worker."""
        self._ring.push(frame)
        self._unheard.append(frame)
        waits = frame.end - self._unheard[0].pts
        if self._passes and (self._patient or waits >= TOGETHER):  # else windows ask for it, when they close
            await self._listen()

    async def hear(self) -> None:
        """Apply the pass that is running, waiting for it, and begin the next if one is due."""
        if self._passes:
            await self._passes.hear()

    async def finish(self) -> None:
        """The sound has ended: the last words are read, and all are final."""
        self._ended = True
        await self._listen()
        if self._passes:
            await self._passes.finish()

    async def close_window(self, window: Window, dropped: bool = False, busy: bool = False) -> HeardWindow:
        """What was heard in a window, as it is known in this moment.

        dropped: it was closed without waiting for its sound. busy: there is no time to analyse the sound.
        """
        await self._listen()
        while self._chunks and self._chunks[0].end <= window.start:
            self._chunks.popleft()
        inside = tuple(chunk for chunk in self._chunks if chunk.start < window.end)
        spared = busy and not dropped and Modality.AUDIO not in self._without
        audio = self._spared(window) if spared else await self._features(window, inside, dropped)
        if self._passes is None:
            return HeardWindow(audio, _known(()), inside, 0.0, spared)
        skipped = self._passes.skipped(window)
        if skipped and not self._behind:
            self._behind = True
            log.warning("%s: speech recognition is behind and skips to the newest speech", window.stream)
        return HeardWindow(audio, await self._passes.utterances(window), inside, skipped, spared)

    async def _listen(self) -> None:
        """Ask for the voice activity of what has come since the last time, and hand it on to recognition."""
        frames, self._unheard = self._unheard, []
        if not frames:
            return
        chunks = self._activity.push(*frames)
        self._chunks.extend(chunks)
        if self._passes:
            for frame in frames[:-1]:
                await self._passes.take(frame, ())
            await self._passes.take(frames[-1], chunks)

    async def close(self) -> None:
        """End the recognition that is under way."""
        if self._passes:
            await self._passes.close()

    async def _features(
        self, window: Window, inside: tuple[SpeechChunk, ...], dropped: bool
    ) -> asyncio.Future[ModalityFeatures]:
        spoken = [chunk.end for chunk in inside if chunk.speech]
        self._last_speech = max(spoken, default=self._last_speech)
        if Modality.AUDIO in self._without:
            return _known(_missing(window, "switched off"))
        sound = self._ring.stretch(window.start, window.end)
        features = await self._front.hearing.submit(
            self._front.audio.window,
            sound.samples,
            inside,
            window,
            self._last_speech,
            start=sound.start,
            newest=sound.newest,
            ended=self._ring.end if self._ended else None,
            dropped=dropped,
        )
        self._analysed = window.end, features
        return features

    def _spared(self, window: Window) -> asyncio.Future[ModalityFeatures]:
        """What the last window that was analysed had, if it is not long ago: most of this window's sound was in it."""
        if self._analysed is None or window.end - self._analysed[0] > REUSED:
            return _known(_missing(window, "its analysis is behind"))
        end, before = self._analysed
        future: asyncio.Future[ModalityFeatures] = asyncio.get_running_loop().create_future()
        before.add_done_callback(partial(_reuse, future, window.end - end))
        return future


def _reuse(future: asyncio.Future[ModalityFeatures], later: float, before: asyncio.Future[ModalityFeatures]) -> None:
    """Hand on the features of a window that ended `later` seconds before."""
    if future.done():
        return
    if before.cancelled() or before.exception():
        future.cancel()
        return
    features = before.result()
    quality = features.quality * (1.0 - later / (2 * REUSED))
    state = State.DEGRADED if features.present else features.state
    reason = f"analysed {later:.1f} s ago, it is behind" if features.present else features.reason
    future.set_result(replace(features, quality=quality, age=features.age + later, state=state, reason=reason))


def _missing(window: Window, reason: str) -> ModalityFeatures:
    return ModalityFeatures(np.zeros(AudioFrontEnd.WIDTH, np.float32), State.MISSING, 0.0, window.end, reason)


def _known(value: Value) -> asyncio.Future[Value]:
    future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
