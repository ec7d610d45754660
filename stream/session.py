"""One stream's life: records in, closed windows out, each with the features of every modality.

Work on a frame (face, speech) begins in a worker when the frame arrives; a window then waits for what belongs to it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from ebmc_core.modality import MODALITIES, Modality
from stream.early import Outlook
from stream.features.audio import AudioFrontEnd
from stream.features.text import TextFrontEnd
from stream.features.video import VideoFrontEnd
from stream.front_ends import FrontEnds
from stream.hearing import HeardWindow, Hearing
from stream.inbox import Arrival, Heard, Mark, Passed, Tick
from stream.metrics import Metrics
from stream.records import AudioFrame, ModalityFeatures, State, Utterance, VideoFrame, Window, WindowFeatures
from stream.settings import Settings
from stream.sources.source import Media
from stream.watching import Seen, VideoReading, Watching
from stream.windows import ClosedWindow, Windower
from stream.worker import Load

log = logging.getLogger(__name__)

SPARSE = 0.4  # seconds between two pictures that are looked at, at most, while a window waits
SPARSER = 1.0  # seconds, while windows are late
ROUNDING = 1e-6  # seconds

SWITCHED_OFF = "switched off"
WIDTHS = {Modality.TEXT: TextFrontEnd.WIDTH, Modality.AUDIO: AudioFrontEnd.WIDTH, Modality.VIDEO: VideoFrontEnd.WIDTH}


@dataclass(frozen=True, slots=True, eq=False)
class Closing:
    """A closed window whose features are on their way: what was heard and seen by the moment it closed."""

    window: Window
    heard: HeardWindow | None
    seen: Seen | None


class Session:
    """One stream from its first record to its last.

    without: modalities that are switched off; their frames still tell the time, and nothing else of them is read.
    patient: windows wait for all the work on their frames (files); else they take what is there. wake: called when a
    pass of speech recognition has finished; then put `Heard` into the inbox. keep: is given every record that is taken.
    """

    def __init__(
        self,
        name: str,
        media: Media,
        without: frozenset[Modality],
        front: FrontEnds,
        settings: Settings,
        patient: bool,
        wake: Callable[[], None],
        keep: Callable[[Arrival], None] | None = None,
    ) -> None:
        self.name, self._front, self._without, self._keep = name, front, without, keep
        kinds, self._off = media.kinds, media.off
        self.failures: Counter[Modality] = Counter()
        self.dropped: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._windower = Windower(
            name, kinds, settings.window, settings.hop, settings.lateness, settings.idle, media.first
        )
        heard = Modality.AUDIO in kinds and not {Modality.AUDIO, Modality.TEXT} <= without
        reach = settings.window + settings.lateness + 1.0
        self.hearing = Hearing(front, reach, patient and not media.stamped, wake, without) if heard else None
        self._seen, self._patient = Modality.VIDEO in kinds - without, patient or media.stamped
        self.watching: Watching | None = None
        self.outlook: Outlook | None = None
        self._looked: float | None = None

    async def open(self) -> None:
        """Load what belongs to this stream alone."""
        if self._seen:
            lane = self._front.watching(self.name)
            self.watching = Watching(await lane.run(self._front.watcher), lane, self._patient)
            self.outlook = Outlook(self.watching, self._windower.window)

    async def take(self, arrival: Arrival) -> list[Closing]:
        """Begin the work on a record; returns the windows it closed. A picture that finds no room is only counted."""
        record = arrival.record
        if isinstance(record, VideoFrame) and not await self._look(record, arrival.busy):
            self.dropped["face analysis is busy"] += 1
            arrival = replace(arrival, record=Passed(record.pts))
        if self.watching and self.watching.pending:
            arrival = replace(arrival, pending=self.watching.pending)
        if self._keep:
            self._keep(arrival)
        closed: list[ClosedWindow] = []
        match record:
            case AudioFrame():
                if self.hearing:
                    await self.hearing.take(record)
                closed = self._windower.push(Modality.AUDIO, record.end, arrival.at)
            case VideoFrame() | Passed():
                closed = self._windower.push(Modality.VIDEO, record.pts, arrival.at)
            case Heard():
                if self.hearing:
                    await self.hearing.hear()
            case Tick():
                closed = self._windower.advance(arrival.at)
            case Mark(until):
                closed = self._windower.complete(until)
        return [await self._close(window, arrival.busy, arrival.pending) for window in closed]

    async def _look(self, picture: VideoFrame, busy: bool) -> bool:
        """Look at a picture, unless there is no time: a window that waits comes first, but for one now and then."""
        if self.watching is None:
            return True
        least = (SPARSER if busy else SPARSE) - ROUNDING
        enough = self._looked is not None and picture.pts - self._looked < least
        if not self._patient and enough and (busy or self._front.hearing.backlog):
            return False
        if taken := await self.watching.take(picture):
            self._looked = picture.pts
        return taken

    async def finish(self) -> list[Closing]:
        """The source has ended: the windows that are still open."""
        if self.hearing:
            await self.hearing.finish()
        return [await self._close(window) for window in self._windower.finish()]

    def next_deadline(self) -> float | None:
        """The event time, by the clock, at which a window closes if nothing comes; None before the first frame."""
        return self._windower.next_deadline()

    async def assemble(self, closing: Closing) -> WindowFeatures:
        """Wait for the features of a closed window."""
        window = closing.window
        (text, utterances), audio, seen = await asyncio.gather(
            self._text(closing), self._audio(closing), self._video(closing)
        )
        utterances = tuple(said for said in utterances if said.words[-1].end > window.start)
        parts = {m: self._finite(part, m) for m, part in zip(MODALITIES, (text, audio, seen.features), strict=True)}
        parts |= {m: nothing(m, window, SWITCHED_OFF) for m in self._off}
        features = WindowFeatures(window, parts, utterances, seen.faces, seen.face)
        if self.outlook:
            self.outlook.assembled(features)
        return features

    async def _text(self, closing: Closing) -> tuple[ModalityFeatures, tuple[Utterance, ...]]:
        """What was said, and its features."""
        window, heard = closing.window, closing.heard
        with self._supervised(Modality.TEXT):
            if heard and self._front.transcribing and Modality.TEXT not in self._without:
                utterances = await heard.utterances
                text = await self._front.reading.run(self._front.text.window, utterances, window)
                return behind(text, heard.skipped), utterances
        return self._missing(Modality.TEXT, window), ()

    async def _audio(self, closing: Closing) -> ModalityFeatures:
        """How it sounded."""
        with self._supervised(Modality.AUDIO):
            if closing.heard:
                return await closing.heard.audio
        return self._missing(Modality.AUDIO, closing.window)

    async def _video(self, closing: Closing) -> VideoReading:
        """What was to be seen, and whose face it was."""
        with self._supervised(Modality.VIDEO):
            if closing.seen:
                return await closing.seen.features(closing.heard.speech if closing.heard else ())
        return VideoReading(self._missing(Modality.VIDEO, closing.window), 0, None)

    @property
    def loads(self) -> dict[str, Load]:
        """What the workers of this stream did."""
        return {self.watching.worker.name: self.watching.worker.load} if self.watching else {}

    def tell(self, metrics: Metrics) -> None:
        """What was left out so far, and what speech recognition did."""
        for reason, count in self.dropped.items():
            metrics.dropped(self.name, "session", reason, count - self._told[reason])
        self._told = self.dropped.copy()
        if self.hearing:
            metrics.speech(self.name, self.hearing.counts)

    async def close(self) -> None:
        """Free what belongs to this stream alone."""
        if self.hearing:
            await self.hearing.close()
        if self.watching:
            await self.watching.close()

    async def _close(self, closed: ClosedWindow, busy: bool = False, pending: int = 0) -> Closing:
        """What is there of a window at the moment it closes; what comes later is none of its business."""
        heard = seen = None
        if self.outlook:
            self.outlook.closed()
        if self.hearing:
            heard = await self.hearing.close_window(closed.window, Modality.AUDIO in closed.without, busy)
            if heard.spared:
                self.dropped["analysis of sound is behind"] += 1
        if self.watching:
            seen = self.watching.close_window(closed.window, Modality.VIDEO in closed.without, pending)
        return Closing(closed.window, heard, seen)

    @contextmanager
    def _supervised(self, modality: Modality) -> Generator[None]:
        """A front end that fails takes its own modality with it, for this window, and nothing else."""
        try:
            yield
        except Exception as error:
            self.failures[modality] += 1
            if self.failures[modality] == 1:
                log.warning("%s: %s features failed, their windows are missing: %r", self.name, modality, error)

    def _finite(self, part: ModalityFeatures, modality: Modality) -> ModalityFeatures:
        """The features, or nothing where a front end gave a value that is not a number."""
        if np.isfinite(part.values).all() and np.isfinite((part.quality, part.age)).all():
            return part
        self.failures[modality] += 1
        return ModalityFeatures(np.zeros_like(part.values), State.MISSING, 0.0, 0.0, "its features are not finite")

    def _missing(self, modality: Modality, window: Window) -> ModalityFeatures:
        """What a window has of a modality until its features are there."""
        off = modality in self._without or (modality is Modality.TEXT and not self._front.transcribing)
        there = self.watching if modality is Modality.VIDEO else self.hearing
        lacking = "the source has no picture" if modality is Modality.VIDEO else "the source has no sound"
        return nothing(modality, window, SWITCHED_OFF if off else "its analysis failed" if there else lacking)


def nothing(modality: Modality, window: Window, reason: str) -> ModalityFeatures:
    """A modality that is missing in a window, and why."""
    return ModalityFeatures(np.zeros(WIDTHS[modality], np.float32), State.MISSING, 0.0, window.end, reason)


def behind(text: ModalityFeatures, skipped: float) -> ModalityFeatures:
    """The text of a window in which `skipped` seconds of speech were not recognised, for want of time."""
    if not skipped:
        return text
    state = State.DEGRADED if text.state is State.OK else text.state
    return replace(text, state=state, reason=f"speech recognition is behind: skipped {skipped:.1f} s")
