"""Whether there is a face to read at the end of a window: the newest pictures decide, in event time.

A window is long (4 s), and a camera that was covered at its end would otherwise count until the good pictures have left
it. What a detection missed is waited for, half a second and two pictures at least, so that one that failed drops
nothing. A picture that shows nothing is measured, not detected: two of them say that the lens is covered. The constants
were set on real clips (docs/quality.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from stream.features.video import FaceObservation
from stream.records import Window

RECENT = 0.5  # seconds: without a face in any picture of these, and two of them at least, it is gone
INTERVALS = 2.2  # of the source's own intervals between pictures without a new one: it has stopped
FROZEN = 0.55  # seconds of the very same picture, if the source is not slower than that by itself,
FROZEN_AT_MOST = 1.0  # and in any case
COVERED = 2  # pictures in a row that show nothing; one may be a cut between two scenes
BLACK = 0.03  # mean luma, 0..1
FLAT = 0.02  # detail of a picture, 0..1; real scenes have 0.07 and more
STEADY = 0.25  # seconds between pictures; in faster sources a face in one picture alone is not believed
ROUNDING = 1e-6  # seconds


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a source beside the pictures of a window.

    followed: a later picture has come, so there is none between the last one and the end of the window. dropped: the
    window had to be closed because no picture comes any more. With neither, the stream has ended, and nothing is said
    of what might have come. last_picture, last_face: event times before the window, seconds.
    """

    followed: bool = True
    dropped: bool = False
    last_picture: float | None = None
    last_face: float | None = None


def absence(shown: Sequence[FaceObservation], window: Window, known: Known) -> str | None:
    """Why nothing can be read at the end of a window, in words, or None. shown: its pictures, in order."""
    last_picture = shown[-1].pts if shown else known.last_picture
    last_face = max((seen.pts for seen in shown if seen.found), default=known.last_face)
    if known.dropped or not shown:
        return _lasting("no picture", last_picture, window)
    now, interval = known_until(shown, window, known), picture_interval(shown)
    if now - shown[-1].pts >= max(RECENT, INTERVALS * interval) - ROUNDING:
        return _lasting("no picture", last_picture, window)
    if covering := _covering(shown[-COVERED:]):
        return covering
    recent = newest(shown, now)
    if shown[-1].still > 0 and now - last_change(shown[-1]) >= frozen_after(shown) - ROUNDING:
        return "picture is frozen"
    if not any(seen.found for seen in recent):
        return _lasting("no face", last_face, window)
    if interval < STEADY and len(shown) > 1 and sum(seen.found for seen in shown) == 1:
        return "a face in one picture only"
    return None


def _covering(last: Sequence[FaceObservation]) -> str | None:
    """Whether the lens is covered, by the last pictures."""
    if any(seen.found for seen in last):
        return None
    if all(seen.exposure < BLACK for seen in last):
        return "picture is black"
    return "picture is covered" if all(seen.exposure < BLACK or seen.detail < FLAT for seen in last) else None


def newest(shown: Sequence[FaceObservation], now: float) -> Sequence[FaceObservation]:
    """The pictures of the last `RECENT` seconds before `now`, but at least two if there are two."""
    count = sum(seen.pts >= now - RECENT - ROUNDING for seen in shown)
    return shown[-max(2, count) :]


def known_until(shown: Sequence[FaceObservation], window: Window, known: Known) -> float:
    """Up to when it is known what the source showed, at most the end of the window."""
    if known.followed or known.dropped or not shown:
        return window.end
    return min(window.end, shown[-1].pts + picture_interval(shown))


def picture_interval(shown: Sequence[FaceObservation]) -> float:
    """Median time between pictures, seconds; 0 for a single one."""
    return median([after.pts - before.pts for before, after in pairwise(shown)]) if len(shown) > 1 else 0.0


def frozen_after(shown: Sequence[FaceObservation]) -> float:
    """Seconds for which a picture may stand still: some sources send each of few pictures several times."""
    fresh = [seen.pts for seen in shown if seen.still == 0]
    pause = median([after - before for before, after in pairwise(fresh)]) if len(fresh) > 1 else 0.0
    return min(FROZEN_AT_MOST, max(FROZEN, INTERVALS * pause))


def frozen_pictures(shown: Sequence[FaceObservation]) -> list[bool]:
    """For each picture, whether it belongs to a run that stood still for `frozen_after`, and is not its first."""
    stuck, longest, limit = [False] * len(shown), 0.0, frozen_after(shown)
    for index in range(len(shown) - 1, -1, -1):
        longest = max(longest, shown[index].still)
        stuck[index] = shown[index].still > 0 and longest >= limit - ROUNDING
        if shown[index].still == 0:
            longest = 0.0
    return stuck


def last_change(seen: FaceObservation) -> float:
    """When the picture that is shown was first shown, seconds."""
    return seen.pts - seen.still


def _lasting(what: str, since: float | None, window: Window) -> str:
    return what if since is None else f"{what} for {window.end - since:.1f} s"
