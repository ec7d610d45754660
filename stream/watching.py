"""What one stream sees: the faces of each analysed picture, and the video features of each window.

    take ──▶ worker: observe ──▶ pictures ── close_window ──▶ Seen ── features(speech) ──▶ VideoReading

A window is made of the pictures that had been taken when it closed, and of nothing later.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median_high

from stream.features.presence import absence, known_until, newest
from stream.features.speaking import Choice, SpeakerChooser
from stream.features.video import FaceObservation, VideoFrontEnd
from stream.features.video_window import video_features
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


@dataclass(slots=True)
class Memory:
    """What is known from the windows before. last_picture, last_face: event times, seconds."""

    chooser: SpeakerChooser = field(default_factory=SpeakerChooser)
    last_picture: float | None = None
    last_face: float | None = None


class Watching:
    """The pictures of one stream, from frames to video features. Owns its face front end and its worker.

    patient: a picture waits for its turn (files); else it is dropped while earlier ones are still looked at (live).
    """

    def __init__(self, front: VideoFrontEnd, worker: Worker, patient: bool) -> None:
        self._front, self.worker, self._patient = front, worker, patient
        self._pictures: deque[Picture] = deque()
        self._memory, self._turn = Memory(), asyncio.Lock()

    async def take(self, frame: VideoFrame) -> bool:
        """Look at the next picture, in the worker. False: it was dropped, since earlier ones are still looked at."""
        if not self._patient and sum(not picture.coming.done() for picture in self._pictures) >= BUSY:
            return False
        self._pictures.append(Picture(frame.pts, await self.worker.submit(self._front.observe, frame)))
        return True

    def close_window(self, window: Window, dropped: bool) -> "Seen":
        """The pictures of a window that closes now. Windows must be closed in order.

        dropped: it had to be closed because no picture comes any more.
        """
        while self._pictures and self._pictures[0].pts < window.start:
            self._pictures.popleft()
        inside = tuple(picture for picture in self._pictures if picture.pts < window.end)
        return Seen(self, window, inside, followed=dropped or len(inside) < len(self._pictures))

    async def read(self, seen: "Seen", speech: Sequence[SpeechChunk]) -> VideoReading:
        """The features of a window; called in the order of the windows, one waits for the other."""
        async with self._turn:
            await _looked_at(seen.pictures)
            shown = [picture.seen for picture in seen.pictures if picture.seen]
            choice = self._choose(seen, shown, speech)
            if choice:
                self._front.following = choice.id
                shown = [await self._with_values(picture, choice) for picture in seen.pictures if picture.seen]
            return self._reading(seen, shown, choice)

    async def close(self) -> None:
        """Free the face front end, in the thread that used it."""
        await self.worker.run(self._front.close)
        self.worker.close()

    def _choose(self, seen: "Seen", shown: list[FaceObservation], speech: Sequence[SpeechChunk]) -> Choice | None:
        """The face to read, None when none is there at the end of the window."""
        now, memory = known_until(shown, seen.window, seen.followed), self._memory
        gone = absence(shown, seen.window, now, memory.last_picture, memory.last_face)
        choice = memory.chooser.choose(shown, newest(shown, now), speech)
        return None if gone else choice

    async def _with_values(self, picture: Picture, choice: Choice) -> FaceObservation:
        """What a picture showed, the chosen face read; what is read stays for the next windows."""
        assert picture.seen is not None
        face = picture.seen.face(choice.id)
        if face and face.look:
            picture.seen = await self.worker.run(self._front.read, picture.seen, choice.id)
        return picture.seen

    def _reading(self, seen: "Seen", shown: list[FaceObservation], choice: Choice | None) -> VideoReading:
        memory, name = self._memory, choice.id if choice else None
        memory.last_face = max((one.pts for one in shown if one.found), default=memory.last_face)
        features = video_features(shown, seen.window, memory.last_face, name, seen.followed, memory.last_picture)
        memory.last_picture = max((one.pts for one in shown), default=memory.last_picture)
        face = next((face for one in reversed(shown) if (face := one.face(name))), None)
        report = FaceReport(choice.id, choice.chosen, face.box) if choice and face and features.present else None
        return VideoReading(features, median_high(one.faces for one in shown) if shown else 0, report)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The pictures of one closed window. followed: none is missing between the last of them and the window's end."""

    watching: Watching
    window: Window
    pictures: tuple[Picture, ...]
    followed: bool

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
