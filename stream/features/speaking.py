"""Which of several faces speaks: the one whose mouth moves while there is speech, and moves less while there is none.

Pure and in event time. A face that chews, laughs or sobs moves its mouth in silence as well, and one that listens does
not move it, so the difference of the two is compared. Where it tells nothing the largest face is taken. Both choices
hold on to the face they took, so that they do not flicker.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median

from stream.features.video import FaceObservation
from stream.records import FaceChoice
from stream.speech.vad import SpeechChunk, speech_fraction

SPOKEN = 3.0  # seconds of motion during speech that are looked back at: who spoke before does not speak now
SILENT = 12.0  # seconds of motion in silence that are looked back at: how much this mouth moves anyway
ENOUGH = 0.5  # seconds of either, below which nothing is said
APART = 0.6  # seconds between two pictures, above which their difference is no motion
LEAST = 0.004  # opening per picture, in distances of the eyes: a mouth at rest moves 0.0005 to 0.001
MOST = 0.08  # opening per picture; a yawn or a laugh, which is more, must not outweigh a sentence
CLEARER = 1.5  # times as much as any other face
SURE = 0.4  # seconds for which a face must be the one that speaks before it is taken
HELD = 4.0  # seconds for which the one who spoke is held on to
LARGER = 1.25  # times the area that another face needs to be taken instead


@dataclass(frozen=True, slots=True)
class Motion:
    """How far a mouth opened or closed from one picture to the next. pts: of the later one. lasting: seconds."""

    pts: float
    lasting: float
    amount: float
    spoken: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """The face of a window. id: see `SeenFace`."""

    id: int
    chosen: FaceChoice


@dataclass(slots=True)
class SpeakerChooser:
    """The choice in the windows of one stream, which must come in order."""

    _motions: dict[int, deque[Motion]] = field(default_factory=dict[int, deque[Motion]])
    _until: float = float("-inf")
    _choice: Choice | None = None
    _told: float = float("-inf")
    _leaning: tuple[int | None, float] = (None, float("-inf"))  # who seems to speak, and since when

    def choose(
        self, shown: Sequence[FaceObservation], recent: Sequence[FaceObservation], speech: Sequence[SpeechChunk]
    ) -> Choice | None:
        """The face to read. recent: the newest pictures of `shown`; only a face that is in one of them can be chosen.

        speech: voice activity of the window.
        """
        self._watch(shown, speech)
        now = shown[-1].pts if shown else self._until
        areas = _areas(recent)
        speaker = self._speaker(areas, now)
        if speaker is not None:
            self._told = now
            self._choice = Choice(speaker, FaceChoice.SPEAKING)
        elif not self._holds(areas, now):
            largest = self._largest(areas)
            self._choice = None if largest is None else Choice(largest, FaceChoice.LARGEST)
        return self._choice

    def _watch(self, shown: Sequence[FaceObservation], speech: Sequence[SpeechChunk]) -> None:
        """Take in how the mouths have moved since the window before; forget what is long ago."""
        for motion, name in _motions(shown, speech, self._until):
            self._motions.setdefault(name, deque()).append(motion)
        self._until = max(self._until, shown[-1].pts) if shown else self._until
        for name, motions in list(self._motions.items()):
            while motions and motions[0].pts < self._until - SILENT:
                motions.popleft()
            if not motions:
                del self._motions[name]

    def _speaker(self, areas: Mapping[int, float], now: float) -> int | None:
        """The face that speaks, where it can be told."""
        moving = {name: _evidence(self._motions.get(name, ()), now) for name in areas}
        if not moving:
            return None
        best = max(moving, key=lambda name: (moving[name], -name))
        others = [moved for name, moved in moving.items() if name != best]
        clear = moving[best] >= max(LEAST, CLEARER * max(others, default=0.0))
        return self._sure(best if clear else None, now)

    def _sure(self, speaker: int | None, now: float) -> int | None:
        """The face that speaks once it has been the same for a while; the one that is taken already at once."""
        taken = self._choice.id if self._choice and self._choice.chosen is FaceChoice.SPEAKING else None
        if speaker != self._leaning[0]:
            self._leaning = speaker, now
        return speaker if speaker == taken or now - self._leaning[1] >= SURE else None

    def _holds(self, areas: Mapping[int, float], now: float) -> bool:
        """Whether the face that spoke a moment ago is still taken."""
        choice = self._choice
        return bool(choice and choice.chosen is FaceChoice.SPEAKING and choice.id in areas and now - self._told <= HELD)

    def _largest(self, areas: Mapping[int, float]) -> int | None:
        """The largest face, or the one before it that is hardly smaller."""
        if not areas:
            return None
        largest = max(areas, key=lambda name: (areas[name], -name))
        before = self._choice.id if self._choice else largest
        return before if areas[largest] < LARGER * areas.get(before, 0.0) else largest


def _areas(recent: Sequence[FaceObservation]) -> dict[int, float]:
    """Median area of each face of these pictures."""
    names = {face.id for seen in recent for face in seen.seen}
    return {name: median([face.area for seen in recent if (face := seen.face(name))]) for name in sorted(names)}


def _motions(
    shown: Sequence[FaceObservation], speech: Sequence[SpeechChunk], after: float
) -> Iterator[tuple[Motion, int]]:
    """The motions that end after a time, each with the id of its face."""
    for before, seen in pairwise(shown):
        lasting = seen.pts - before.pts
        if seen.pts <= after or not 0 < lasting <= APART:
            continue
        spoken = speech_fraction(speech, before.pts, seen.pts) >= 0.5
        for face in seen.seen:
            if earlier := before.face(face.id):
                yield Motion(seen.pts, lasting, min(MOST, abs(face.mouth - earlier.mouth)), spoken), face.id


def _evidence(motions: Sequence[Motion] | deque[Motion], now: float) -> float:
    """How much more a mouth moves in speech than in silence, in eyes' distances a picture; 0 when nothing is known."""
    spoken = [motion for motion in motions if motion.spoken and motion.pts > now - SPOKEN]
    silent = [motion for motion in motions if not motion.spoken]
    if sum(motion.lasting for motion in spoken) < ENOUGH:
        return 0.0
    rest = fmean(m.amount for m in silent) if sum(m.lasting for m in silent) >= ENOUGH else 0.0
    return fmean(motion.amount for motion in spoken) - rest
