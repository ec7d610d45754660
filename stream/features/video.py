"""Video features: what each analysed picture shows of a face, how good the view is, and both over one window.

`VideoFrontEnd.observe` looks at one picture; `video_features` is pure and turns the observations of a window into the
features of the modality. The quality of a view is a product of factors, each 0..1, that are measured on the face; its
limits were set on the portraits and clips that the card of the expression checkpoint names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ebmc_core.face import BLENDSHAPES, EMBEDDING
from stream.features.expression import ExpressionReader, TextureReader
from stream.features.face import POSE, Face, FaceReader, aligned_crop, face_shape, portrait
from stream.features.picture import Picture, Stillness, analysed, grey, noise_level
from stream.records import ModalityFeatures, State, VideoFrame, Window

WIDTH = BLENDSHAPES + POSE + EMBEDDING
FROZEN_AFTER = 1.0  # seconds of the very same picture; less can be a slow source whose frames come twice
BLACK = 0.03  # mean luma, 0..1
FEW = 0.2  # of the pictures of a window: with a face in no more of them, the face is missing
STALE_AFTER = 2.0  # seconds since the last picture of a face
GOOD = 0.5  # quality from which a view is not called degraded


@dataclass(frozen=True, slots=True)
class FaceView:
    """How well a face can be read.

    size: height in pixels of the frame. sharpness: spread of the crop's Laplacian over the spread of the crop.
    exposure: mean luma of the face, 0..1. contrast: spread of the crop's luma, 0..1. noise: share of that spread
    that is noise. turned: radians away from the camera. covered: how likely something is before the face, 0..1, as the
    expression network says; 0 until it was asked.
    """

    size: float
    sharpness: float
    exposure: float
    contrast: float
    noise: float
    turned: float
    covered: float = 0.0

    def factors(self) -> dict[str, float]:
        """What spoils the view -> what it leaves, 0..1."""
        return {
            "small face": _ramp(self.size, 16, 72),
            "blurred": _ramp(self.sharpness, 0.08, 0.28),
            "dark": _ramp(self.exposure, 0.0, 0.2),
            "overexposed": _ramp(self.exposure, 1.0, 0.9),
            "flat": _ramp(self.contrast, 0.0, 0.08),
            "noisy": _ramp(self.noise, 0.5, 0.05),
            "turned away": _ramp(self.turned, 1.2, 0.6),
            "covered": _ramp(self.covered, 1.0, 0.4),
        }

    @property
    def quality(self) -> float:
        """Product of the factors, 0..1."""
        return float(np.prod(list(self.factors().values())))


@dataclass(frozen=True, slots=True, eq=False)
class FaceObservation:
    """What one picture showed.

    pts: seconds. found: whether there is a face. values: float32 `[WIDTH]`, 52 blendshapes, 6 of pose (see `Face`), the
    embedding of the expression network; zeros without a face. faces: how many. view: of the largest face, else None.
    exposure: mean luma of the picture, 0..1. still: seconds for which the picture has not changed. box: x0, y0, x1, y1
    as shares of the picture.
    """

    pts: float
    found: bool
    values: NDArray[np.float32]
    faces: int
    view: FaceView | None
    exposure: float
    still: float
    box: tuple[float, float, float, float] | None

    @property
    def quality(self) -> float:
        """0..1, 0 without a face."""
        return self.view.quality if self.view else 0.0

    @property
    def size(self) -> float:
        """Height of the face in pixels, 0 without one."""
        return self.view.size if self.view else 0.0

    @property
    def sharpness(self) -> float:
        """Of the face, see `FaceView`; 0 without one."""
        return self.view.sharpness if self.view else 0.0

    @property
    def frozen(self) -> bool:
        """Whether this is the very picture that was analysed before."""
        return self.still > 0


class VideoFrontEnd:
    """Looks at the pictures of one stream; one per stream, since the tracker remembers the face. Not thread safe.

    A context manager: leaving, or `close()`, frees the models. Raises `WeightsError` and `CheckpointError` when made.
    """

    WIDTH: int = WIDTH

    def __init__(self, landmarker: Path, expression: Path | None = None) -> None:
        self._textures, self._expression = TextureReader(), ExpressionReader(expression)
        self._reader = FaceReader(landmarker)
        self._stillness = Stillness()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the models; a second call does nothing."""
        self._reader.close()

    def observe(self, frame: VideoFrame) -> FaceObservation:
        """What the picture shows. About 16 ms on one thread; any picture with at least one pixel will do."""
        picture = analysed(frame.image)
        luma = grey(picture)
        faces = self._reader.read(picture, frame.pts)
        values, view = np.zeros(WIDTH, np.float32), None
        if faces:
            values, view = self._read(picture, luma, faces[0], frame.image.shape[0] / picture.shape[0])
        return FaceObservation(
            pts=frame.pts,
            found=bool(faces),
            values=values,
            faces=len(faces),
            view=view,
            exposure=float(luma.mean()) / 255,
            still=self._stillness.seconds(luma, frame.pts),
            box=faces[0].box if faces else None,
        )

    def _read(self, picture: Picture, luma: Picture, face: Face, scale: float) -> tuple[NDArray[np.float32], FaceView]:
        """The values of a face and how well it can be seen; `luma` is the grey `picture`."""
        crop, texture = aligned_crop(luma, face), self._textures.read(portrait(picture, face)[None])
        seen = self._expression.read(crop[None], texture, face_shape(face)[None], face.blendshapes[None])
        view = replace(face_view(luma, face, crop, scale), covered=float(seen.covered[0]))
        return np.concatenate([face.blendshapes, face.pose, seen.embedding[0]]), view


def face_view(luma: Picture, face: Face, crop: Picture, scale: float = 1.0) -> FaceView:
    """Measure a face in the grey picture `luma`; `crop` is cut from it, `scale` is frame pixels per pixel of `luma`."""
    height, width = luma.shape
    x0, y0, x1, y1 = face.box
    region = luma[int(y0 * height) : int(y1 * height) + 1, int(x0 * width) : int(x1 * width) + 1]
    light = crop.astype(np.float32)
    spread = float(light.std())
    yaw, pitch = face.pose[:2]
    return FaceView(
        size=face.height * scale,
        sharpness=float(cv2.Laplacian(light, cv2.CV_32F).std()) / max(spread, 1.0),
        exposure=float(light.mean()) / 255,
        contrast=spread / 255,
        noise=noise_level(region) / max(spread, 1.0),
        turned=float(np.arccos(np.clip(np.cos(yaw) * np.cos(pitch), -1, 1))),
    )


def video_features(
    observations: Sequence[FaceObservation], window: Window, last_face: float | None = None
) -> ModalityFeatures:
    """The features of one window from the observations in it, in rising time.

    The values are the mean over the pictures with a face, weighted by quality; those of a frozen picture say nothing of
    now and are left out. last_face: event time of the last face before the window, seconds, for the age.
    """
    shown = [seen for seen in observations if window.start <= seen.pts < window.end]
    frozen = _frozen(shown)
    live = [seen for seen, stuck in zip(shown, frozen, strict=True) if seen.found and not stuck]
    last = max(
        (seen.pts - seen.still * stuck for seen, stuck in zip(shown, frozen, strict=True) if seen.found),
        default=last_face,
    )
    age = window.end - window.start if last is None else max(0.0, window.end - last)
    missing = _missing(shown, frozen, last, window.end)
    if missing or not live:
        return ModalityFeatures(np.zeros(WIDTH, np.float32), State.MISSING, 0.0, age, missing or "no face")
    weights = np.array([seen.quality for seen in live], np.float32) + 1e-3  # all may be 0
    values = np.average(np.stack([seen.values for seen in live]), axis=0, weights=weights).astype(np.float32)
    factors = _factors(shown, live, frozen, age)
    quality = float(np.prod(list(factors.values())))
    state, reason = State.OK, None
    if quality < GOOD:
        state, reason = State.DEGRADED, min(factors, key=lambda name: factors[name])
    if age > STALE_AFTER:
        state, reason = State.STALE, f"no face for {age:.1f} s"
    return ModalityFeatures(values, state, quality, age, reason)


def _missing(shown: list[FaceObservation], frozen: list[bool], last: float | None, end: float) -> str | None:
    """Why nothing can be read in these pictures, or None."""
    if not shown:
        return "no picture"
    if all(seen.exposure < BLACK and not seen.found for seen in shown):
        return "picture is black"
    if all(frozen):
        return "picture is frozen"
    if sum(seen.found for seen in shown) <= FEW * len(shown):
        return "no face" if last is None else f"no face for {end - last:.1f} s"
    return None


def _frozen(shown: list[FaceObservation]) -> list[bool]:
    """For each picture, whether it belongs to a run of `FROZEN_AFTER` seconds or more in which nothing changed."""
    stuck, longest = [False] * len(shown), 0.0
    for index in range(len(shown) - 1, -1, -1):
        longest = max(longest, shown[index].still)
        stuck[index] = shown[index].still > 0 and longest >= FROZEN_AFTER
        if shown[index].still == 0:
            longest = 0.0
    return stuck


def _factors(
    shown: list[FaceObservation], live: list[FaceObservation], frozen: list[bool], age: float
) -> dict[str, float]:
    """What spoils the window -> what it leaves, 0..1; the view's factors are means over the pictures with a face."""
    views = [seen.view.factors() for seen in live if seen.view]
    factors = {name: float(np.mean([view[name] for view in views])) for name in views[0]}
    found = sum(seen.found for seen in shown) / len(shown)
    return factors | {
        f"face in {found:.0%} of the pictures": found,
        f"frozen in {sum(frozen) / len(frozen):.0%} of the pictures": 1 - sum(frozen) / len(frozen),
        f"no face for {age:.1f} s": _ramp(age, 5.0, 0.5),
    }


def _ramp(value: float, worst: float, best: float) -> float:
    """0 at `worst` or beyond, 1 at `best` or beyond, linear between; `best` may be the smaller number."""
    return float(np.clip((value - worst) / (best - worst), 0, 1))
