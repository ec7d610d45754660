"""Which face of a picture is which face of the pictures before. Pure: boxes and times in, ids out.

A face is the one whose box was nearest, in box sizes, unless it is too far away or of another size. That holds for
people who move as people do between two pictures; it does not know faces, so two who change places while both are out
of sight change their ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the picture

REACH = 0.6  # box sizes that a face may have moved since the picture before,
SPEED = 1.0  # and as many more for each second that it was out of sight,
FARTHEST = 1.5  # up to this
GROWTH = 2.0  # how many times as high, or as low, a face may have become
FORGOTTEN = 3.0  # seconds out of sight after which a face that comes back is a new one


@dataclass(frozen=True, slots=True)
class Track:
    """A face as it was last seen. pts: event time of that, seconds."""

    id: int
    box: Box
    pts: float


class Tracker:
    """The faces of one stream. Ids count from 1 and are never used again; pictures must come in order of time."""

    def __init__(self) -> None:
        self._tracks: dict[int, Track] = {}
        self._next = 1

    def identify(self, boxes: Sequence[Box], pts: float) -> list[int]:
        """The id of each face of the picture shown at `pts` seconds, in the order of the boxes."""
        self._tracks = {name: track for name, track in self._tracks.items() if pts - track.pts <= FORGOTTEN}
        pairs = sorted(
            (apart, name, index)
            for name, track in self._tracks.items()
            for index, box in enumerate(boxes)
            if (apart := _apart(track, box, pts)) is not None
        )
        ids: dict[int, int] = {}
        taken: set[int] = set()
        for _, name, index in pairs:
            if index not in ids and name not in taken:
                ids[index] = name
                taken.add(name)
        for index in range(len(boxes)):
            if index not in ids:
                ids[index] = self._next
                self._next += 1
            self._tracks[ids[index]] = Track(ids[index], boxes[index], pts)
        return [ids[index] for index in range(len(boxes))]


def _apart(track: Track, box: Box, pts: float) -> float | None:
    """How far a box is from where the face was, in sizes of the two boxes; None when it cannot be that face."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = track.box, box
    width, height = (x1 - x0 + u1 - u0) / 2, (y1 - y0 + v1 - v0) / 2
    if min(x1 - x0, y1 - y0, u1 - u0, v1 - v0) <= 0:  # a face at the very edge
        return None
    if not 1 / GROWTH <= (v1 - v0) / (y1 - y0) <= GROWTH:
        return None
    apart = hypot((x0 + x1 - u0 - u1) / 2 / width, (y0 + y1 - v0 - v1) / 2 / height)
    reach = min(FARTHEST, REACH + SPEED * max(0.0, pts - track.pts))
    return apart if apart <= reach else None
