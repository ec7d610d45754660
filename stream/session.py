"""One stream's life: frames in, closed windows out, each with the features of every modality.

Work on a frame (face, speech) begins in a worker when the frame arrives; a window then waits for what belongs to it.
"""

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ebmc_core.modality import MODALITIES, Modality
from stream.clock import Clock
from stream.features.audio import AudioFrontEnd
from stream.features.text import TextFrontEnd
from stream.features.video import VideoFrontEnd
from stream.front_ends import FrontEnds
from stream.hearing import HeardWindow, Hearing
from stream.records import AudioFrame, Frame, ModalityFeatures, State, Utterance, Window, WindowFeatures
from stream.settings import Settings
from stream.watching import Watching
from stream.windows import Windower
from stream.worker import Load, Worker

log = logging.getLogger(__name__)

WIDTHS = {Modality.TEXT: TextFrontEnd.WIDTH, Modality.AUDIO: AudioFrontEnd.WIDTH, Modality.VIDEO: VideoFrontEnd.WIDTH}


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """A closed window whose features are on their way. captured: when its last frame came in, on the clock."""

    window: Window
    captured: float
    heard: HeardWindow | None


class Session:
    """One stream from its first frame to its last.

    kinds: the media the source has. without: modalities that are switched off; their frames still tell the time, and
    nothing else of them is read. patient: windows wait for speech recognition.
    """

    def __init__(
        self,
        name: str,
        kinds: frozenset[Modality],
        without: frozenset[Modality],
        front: FrontEnds,
        settings: Settings,
        clock: Clock,
        patient: bool,
    ) -> None:
        self._front, self._clock, self._without = front, clock, without
        self.failures: Counter[Modality] = Counter()
        self._windower = Windower(name, kinds, settings.window, settings.hop, settings.lateness)
        heard = Modality.AUDIO in kinds and not {Modality.AUDIO, Modality.TEXT} <= without
        reach = settings.window + settings.lateness + 1.0
        self._hearing = Hearing(front, reach, patient, self._wake, without) if heard else None
        self._woken = False
        seen = Modality.VIDEO in kinds and Modality.VIDEO not in without
        self._watching = Watching(front.watcher(), Worker(f"face-{name}")) if seen else None

    async def take(self, frame: Frame) -> list[Closing]:
        """Begin the work on a frame; returns the windows it closed."""
        if isinstance(frame, AudioFrame):
            if self._hearing:
                if self._woken:
                    self._woken = False
                    await self._hearing.hear()
                await self._hearing.take(frame)
            return await self._close(self._windower.push(Modality.AUDIO, frame.end))
        if self._watching:
            await self._watching.take(frame)
        return await self._close(self._windower.push(Modality.VIDEO, frame.pts))

    async def finish(self) -> list[Closing]:
        """The source has ended: the windows that are still open."""
        if self._hearing:
            await self._hearing.finish()
        return await self._close(self._windower.finish())

    async def assemble(self, closing: Closing) -> WindowFeatures:
        """Wait for the features of a closed window."""
        window, heard, seen = closing.window, closing.heard, self._watching
        text, audio, video = (self._missing(modality, window) for modality in MODALITIES)
        utterances: tuple[Utterance, ...] = ()
        faces = 0
        with self._supervised(Modality.AUDIO):
            audio = await heard.audio if heard and Modality.AUDIO not in self._without else audio
        with self._supervised(Modality.TEXT):
            if heard and self._front.transcribing and Modality.TEXT not in self._without:
                utterances = await heard.utterances
                text = await self._front.reading.run(self._front.text.window, utterances, window)
        with self._supervised(Modality.VIDEO):
            video, faces = await seen.features(window) if seen else (video, faces)
        utterances = tuple(said for said in utterances if said.words[-1].end > window.start)
        modalities = {m: self._finite(part, m) for m, part in zip(MODALITIES, (text, audio, video), strict=True)}
        return WindowFeatures(window, modalities, utterances, faces)

    @property
    def loads(self) -> dict[str, Load]:
        """What the workers of this stream did."""
        return {self._watching.worker.name: self._watching.worker.load} if self._watching else {}

    async def close(self) -> None:
        """Free what belongs to this stream alone."""
        if self._hearing:
            await self._hearing.close()
        if self._watching:
            await self._watching.close()

    async def _close(self, windows: list[Window]) -> list[Closing]:
        closings: list[Closing] = []
        for window in windows:
            heard, captured = None, self._clock.now()
            if self._hearing:
                heard = await self._hearing.close_window(window)
            closings.append(Closing(window, captured, heard))
        return closings

    def _wake(self) -> None:
        self._woken = True

    @contextmanager
    def _supervised(self, modality: Modality) -> Generator[None]:
        """A front end that fails takes its own modality with it, for this window, and nothing else."""
        try:
            yield
        except Exception as error:
            self.failures[modality] += 1
            if self.failures[modality] == 1:
                log.warning("%s features failed, their windows are missing: %r", modality, error)

    def _finite(self, part: ModalityFeatures, modality: Modality) -> ModalityFeatures:
        """The features, or nothing where a front end gave a value that is not a number."""
        if np.isfinite(part.values).all() and np.isfinite((part.quality, part.age)).all():
            return part
        self.failures[modality] += 1
        return ModalityFeatures(np.zeros_like(part.values), State.MISSING, 0.0, 0.0, "its features are not finite")

    def _missing(self, modality: Modality, window: Window) -> ModalityFeatures:
        """What a window has of a modality until its features are there."""
        off = modality in self._without or (modality is Modality.TEXT and not self._front.transcribing)
        there = self._watching if modality is Modality.VIDEO else self._hearing
        nothing = "the source has no picture" if modality is Modality.VIDEO else "the source has no sound"
        reason = "switched off" if off else "its analysis failed" if there else nothing
        return ModalityFeatures(np.zeros(WIDTHS[modality], np.float32), State.MISSING, 0.0, window.end, reason)
