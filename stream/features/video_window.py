"""The video features of one window, from what its pictures showed of the face that was chosen. Pure."""

from collections.abc import Sequence

import numpy as np

from stream.features.presence import absence, frozen_pictures, known_until, last_change
from stream.features.video import WIDTH, FaceObservation, SeenFace
from stream.features.view import ramp
from stream.records import ModalityFeatures, State, Window

STALE_AFTER = 2.0  # seconds since the last picture of a face
GOOD = 0.5  # quality from which a view is not called degraded


def video_features(
    observations: Sequence[FaceObservation],
    window: Window,
    last_face: float | None = None,
    face: int | None = None,
    followed: bool = True,
    last_picture: float | None = None,
) -> ModalityFeatures:
    """The features of one window from the observations in it, in rising time, whose values have been read.

    The values are the mean over the pictures with the face, weighted by quality; those of a frozen picture say nothing
    of now and are left out. last_face, last_picture: event times before the window, seconds, for the age. face: id of
    the one that was chosen; without it the largest of each picture. followed: see `known_until`.
    """
    shown = [seen for seen in observations if window.start <= seen.pts < window.end]
    frozen = frozen_pictures(shown)
    found = [(seen, stuck) for seen, stuck in zip(shown, frozen, strict=True) if seen.found]
    last = max((last_change(seen) if stuck else seen.pts for seen, stuck in found), default=last_face)
    age = window.end - window.start if last is None else max(0.0, window.end - last)
    missing = absence(shown, window, known_until(shown, window, followed), last_picture, last)
    live = [one for seen, stuck in found if not stuck and (one := seen.face(face))]
    if missing or not live:
        return nothing(missing or "no face", age)
    factors = _factors(live, len(shown), sum(frozen), age)
    quality = float(np.prod(list(factors.values())))
    state, reason = State.OK, None
    if quality < GOOD:
        state, reason = State.DEGRADED, min(factors, key=lambda name: factors[name])
    if age > STALE_AFTER:
        state, reason = State.STALE, f"no face for {age:.1f} s"
    return ModalityFeatures(_values(live), state, quality, age, reason)


def nothing(reason: str, age: float) -> ModalityFeatures:
    """The features of a window without a face."""
    return ModalityFeatures(np.zeros(WIDTH, np.float32), State.MISSING, 0.0, age, reason)


def _values(live: Sequence[SeenFace]) -> np.ndarray:
    """Mean of the values, weighted by quality, float32 `[WIDTH]`. Raises `ValueError` when one was not read."""
    read = [one.values for one in live if one.values is not None]
    if len(read) < len(live):
        raise ValueError(f"{len(live) - len(read)} of {len(live)} faces were not read: `VideoFrontEnd.read` does that")
    weights = np.array([one.view.quality for one in live], np.float32) + 1e-3  # all may be 0
    return np.average(np.stack(read), axis=0, weights=weights).astype(np.float32)


def _factors(live: Sequence[SeenFace], shown: int, frozen: int, age: float) -> dict[str, float]:
    """What spoils the window -> what it leaves, 0..1; the view's factors are means over the pictures with the face.

    shown, frozen: how many pictures there were, and how many of them stood still.
    """
    views = [one.view.factors() for one in live]
    factors = {name: float(np.mean([view[name] for view in views])) for name in views[0]}
    found = min(1.0, (len(live) + frozen) / shown)  # a frozen picture is counted against it once
    return factors | {
        f"face in {found:.0%} of the pictures": found,
        f"frozen in {frozen / shown:.0%} of the pictures": 1 - frozen / shown,
        f"no face for {age:.1f} s": ramp(age, 5.0, 0.5),
    }
