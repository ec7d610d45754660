"""What one stream sees: the faces of each analysed picture, and the video features of each window.

    take ──▶ worker: observe ──▶ pictures ── close_window ──▶ Seen ── features(speech) ──▶ VideoReading

A window is made of the pictures that had been taken when it closed, and of nothing later.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from statistics import median_high

from stream.features.presence import Known, absence, known_until, newest
from stream.features.speaking import Choice, SpeakerChooser
from stream.features.video import FaceObservation, VideoFrontEnd
from stream.features.video_window import nothing, video_features
from stream.records import FaceReport, ModalityFeatures, VideoFrame, Window
from stream.speech.vad import SpeechChunk
from stream.worker import Worker

BUSY = 2  # pictures of a live stream that may be waiting or looked at; the next one is dropped, so that none grows old


@dataclass(slots=True, eq=False)
class Picture:
    """A picture that was taken. coming: its observation; seen: once it is there, with what was read of it since.

    spoiled: looking at it has failed, and one window has been told so.
    """

    pts: float
    coming: asyncio.Future[FaceObservation]
    seen: FaceObservation | None = None
    spoiled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class VideoReading:
    """The video of one window. faces: how many were seen at once; face: the one that was read, if any."""

    features: ModalityFeatures
    faces: int
    face: FaceReport | None


class Watching:
    """The pictures of one stream, from frames to video features. Owns its face front end and its worker.

    patient: a picture waits for its turn (files); else it is dropped while earlier ones are still looked at (live).
    """

    def __init__(self, front: VideoFrontEnd, worker: Worker, patient: bool) -> None:
        self._front, self.worker, self._patient = front, worker, patient
        self._pictures: deque[Picture] = deque()
        self._chooser, self._turn = SpeakerChooser(), asyncio.Lock()
        self.looked = asyncio.Event()  # set whenever a picture was looked at
        self._last_picture: float | None = None
        self._last_face: float | None = None

    async def take(self, frame: VideoFrame) -> bool:
        """Look at the next picture, in the worker. False: it was dropped, since earlier ones are still looked at."""
        if not self._patient and self.pending >= BUSY:
            return False
        coming = await self.worker.submit(self._front.observe, frame)
        coming.add_done_callback(lambda _: self.looked.set())
        self._pictures.append(Picture(frame.pts, coming))
        return True

    @property
    def pending(self) -> int:
        """Pictures, the newest, that are waiting or looked at; always 0 for one that is patient."""
        if self._patient:
            return 0
        return sum(1 for _ in takewhile(lambda picture: not picture.coming.done(), reversed(self._pictures)))

    def lost(self, window: Window) -> tuple[Window, ModalityFeatures] | None:
        """The video of a window that is still open, if nothing can be read in the newest picture that was looked at.

        With it the window as far as that picture. None where there is something to read, or no picture yet.
        """
        done = [one.coming for one in self._pictures if one.pts >= window.start and one.coming.done()]
        shown = [coming.result() for coming in done if not coming.cancelled() and not coming.exception()]
        if not shown:
            return None
        until = Window(window.stream, window.index, window.start, shown[-1].pts)
        reason = absence(shown, until, Known(last_picture=self._last_picture, last_face=self._last_face))
        if reason is None:
            return None
        last = max((one.pts for one in shown if one.found), default=self._last_face)
        return until, nothing(reason, until.end - (window.start if last is None else last))

    def close_window(self, window: Window, dropped: bool, pending: int = 0) -> "Seen":
        """The pictures of a window that closes now. Windows must be closed in order.

        dropped: it had to be closed because no picture comes any more. pending: so many of the newest pictures are not
        waited for.
        """
        while self._pictures and self._pictures[0].pts < window.start:
            self._pictures.popleft()
        ready = list(self._pictures)[: max(0, len(self._pictures) - pending)]
        inside = tuple(picture for picture in ready if picture.pts < window.end)
        return Seen(self, window, inside, len(inside) < len(self._pictures), dropped)

    async def read(self, seen: "Seen", speech: Sequence[SpeechChunk]) -> VideoReading:
        """The features of a window; called in the order of the windows, one waits for the other."""
        async with self._turn:
            await _looked_at(seen.pictures)
            shown = [picture.seen for picture in seen.pictures if picture.seen]
            known = Known(seen.followed, seen.dropped, self._last_picture, self._last_face)
            choice = self._choose(shown, seen.window, known, speech)
            if choice:
                self._front.following = choice.id
                shown = [await self._with_values(picture, choice) for picture in seen.pictures if picture.seen]
            self._last_picture = max((one.pts for one in shown), default=self._last_picture)
            self._last_face = max((one.pts for one in shown if one.found), default=self._last_face)
            features = video_features(shown, seen.window, known, choice.id if choice else None)
            return VideoReading(
                features,
                faces=median_high(one.faces for one in shown) if shown else 0,
                face=_report(shown, choice) if choice and features.present else None,
            )

    async def close(self) -> None:
        """Free the face front end, in the thread that used it."""
        await self.worker.run(self._front.close)
        self.worker.close()

    def _choose(
        self, shown: list[FaceObservation], window: Window, known: Known, speech: Sequence[SpeechChunk]
    ) -> Choice | None:
        """The face to read, None when there is none at the end of the window."""
        choice = self._chooser.choose(shown, newest(shown, known_until(shown, window, known)), speech)
        return None if absence(shown, window, known) else choice

    async def _with_values(self, picture: Picture, choice: Choice) -> FaceObservation:
        """What a picture showed, the chosen face read; what is read stays for the next windows."""
        assert picture.seen is not None
        face = picture.seen.face(choice.id)
        if face and face.look:
            picture.seen = await self.worker.run(self._front.read, picture.seen, choice.id)
        return picture.seen


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The pictures of one closed window. followed: a later one had been taken. dropped: none comes any more."""

    watching: Watching
    window: Window
    pictures: tuple[Picture, ...]
    followed: bool
    dropped: bool

    async def features(self, speech: Sequence[SpeechChunk]) -> VideoReading:
        """Wait for these pictures and read them. speech: voice activity of the window, to tell who speaks.

        Raises what looking at a picture raised, in the first window that has the picture.
        """
        return await self.watching.read(self, speech)


async def _looked_at(pictures: Sequence[Picture]) -> None:
    """Wait until all pictures have been looked at."""
    for picture in pictures:
        if picture.seen is None and not picture.spoiled:
            try:
                picture.seen = await picture.coming
            except Exception:
                picture.spoiled = True
                raise


def _report(shown: Sequence[FaceObservation], choice: Choice) -> FaceReport | None:
    """The chosen face, where it was seen last."""
    last = next((face for one in reversed(shown) if (face := one.face(choice.id))), None)
    return FaceReport(choice.id, choice.chosen, last.box) if last else None
