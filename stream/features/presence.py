"""Whether there is a face to read at the end of a window: the newest pictures decide, in event time.

A window is long (4 s), and a camera that was covered at its end would otherwise count until the good pictures have left
it. Each rule waits for half a second or two pictures, so that one detection that failed drops nothing; the constants
were set on real clips (docs/quality.md).
"""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from stream.features.video import FaceObservation
from stream.records import Window

RECENT = 0.5  # seconds: without a face in any picture of these, and two of them at least, it is gone
INTERVALS = 2.2  # of the source's own intervals between pictures without a new one: it has stopped
FROZEN = 0.55  # seconds of the very same picture, if the source is not slower than that by itself,
FROZEN_AT_MOST = 1.0  # and in any case
BLACK = 0.03  # mean luma, 0..1
STEADY = 0.25  # seconds between pictures; in faster sources a face in one picture alone is not believed
ROUNDING = 1e-6  # seconds


def absence(
    shown: Sequence[FaceObservation], window: Window, now: float, last_picture: float | None, last_face: float | None
) -> str | None:
    """Why nothing can be read at `now`, in words, or None.

    shown: the pictures of the window, in order. now: up to when it is known what the source showed, at most the end of
    the window. last_picture, last_face: event times, up to the end of the window.
    """
    if not shown:
        return _lasting("no picture", last_picture, window)
    interval = picture_interval(shown)
    if now - shown[-1].pts >= max(RECENT, INTERVALS * interval) - ROUNDING:
        return _lasting("no picture", shown[-1].pts, window)
    recent = newest(shown, now)
    if all(seen.exposure < BLACK and not seen.found for seen in recent):
        return "picture is black"
    if shown[-1].still > 0 and now - last_change(shown[-1]) >= frozen_after(shown) - ROUNDING:
        return "picture is frozen"
    if not any(seen.found for seen in recent):
        return _lasting("no face", last_face, window)
    if interval < STEADY and len(shown) > 1 and sum(seen.found for seen in shown) == 1:
        return "a face in one picture only"
    return None


def newest(shown: Sequence[FaceObservation], now: float) -> Sequence[FaceObservation]:
    """The pictures of the last `RECENT` seconds before `now`, but at least two if there are two."""
    count = sum(seen.pts >= now - RECENT - ROUNDING for seen in shown)
    return shown[-max(2, count) :]


def known_until(shown: Sequence[FaceObservation], window: Window, followed: bool) -> float:
    """Up to when it is known what the source showed.

    followed: the source has stopped, or a later picture has come: there is none between the last one and the end of the
    window. Otherwise the stream has ended, and nothing is said of what might have come.
    """
    if followed or not shown:
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
