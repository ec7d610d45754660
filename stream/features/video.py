"""What each analysed picture shows of the faces in it.

`VideoFrontEnd.observe` looks at one picture: it finds and tracks every face, and reads the one that is followed. What
the networks say of another face is read when it is chosen (`read`); that depends on nothing but its picture, so when
it happens changes no number.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ebmc_core.face import BLENDSHAPES, EMBEDDING
from stream.features.expression import ExpressionReader, TextureReader
from stream.features.face import POSE, Face, FaceReader, aligned_crop, face_shape, mouth_opening, portrait
from stream.features.far import FarReader
from stream.features.finder import FaceFinder
from stream.features.picture import Picture, Stillness, analysed, blockiness, detail, grey
from stream.features.tracking import Box, Tracker
from stream.features.view import FaceView, face_view
from stream.records import VideoFrame

WIDTH = BLENDSHAPES + POSE + EMBEDDING


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the networks are shown of a face; for the shapes of the arrays see `ebmc_core.face`."""

    crop: Picture
    portrait: Picture
    shape: NDArray[np.float32]
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """One face in one picture.

    id: the same for the same face in the pictures of a stream. box: x0, y0, x1, y1 as shares of the picture. area: of
    the picture, 0..1. mouth: opening between the lips over the distance of the eyes. values: float32 `[WIDTH]`, 52
    blendshapes, 6 of pose (see `Face`), the embedding of the expression network; None while `look` was not read.
    """

    id: int
    box: Box
    area: float
    mouth: float
    view: FaceView
    values: NDArray[np.float32] | None
    look: Look | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FaceObservation:
    """What one picture showed.

    pts: seconds. seen: its faces, the largest first. exposure: mean luma of the picture, 0..1. detail: how much there
    is to be seen in it (`picture.detail`). still: seconds for which it has not changed. blocks: see `blockiness`; 1
    without a face. The properties tell of the largest face.
    """

    pts: float
    seen: tuple[SeenFace, ...]
    exposure: float
    detail: float
    still: float
    blocks: float

    def face(self, name: int | None = None) -> SeenFace | None:
        """The face of that id, or the largest; None when it is not in this picture."""
        return next((face for face in self.seen if name is None or face.id == name), None)

    @property
    def found(self) -> bool:
        """Whether there is a face."""
        return bool(self.seen)

    @property
    def faces(self) -> int:
        """How many there are."""
        return len(self.seen)

    @property
    def values(self) -> NDArray[np.float32]:
        """See `SeenFace`; zeros without a face and before it was read."""
        values = self.seen[0].values if self.seen else None
        return np.zeros(WIDTH, np.float32) if values is None else values

    @property
    def view(self) -> FaceView | None:
        """How well it can be read."""
        return self.seen[0].view if self.seen else None

    @property
    def box(self) -> Box | None:
        """x0, y0, x1, y1 as shares of the picture."""
        return self.seen[0].box if self.seen else None

    @property
    def quality(self) -> float:
        """0..1, 0 without a face."""
        return self.view.quality if self.view else 0.0

    @property
    def frozen(self) -> bool:
        """Whether this is the very picture that was analysed before."""
        return self.still > 0


class VideoFrontEnd:
    """Looks at the pictures of one stream; one per stream, since the tracker remembers the faces. Not thread safe.

    finder: finds the faces that are then read one by one; without it MediaPipe finds them, when they are near.
    following: id of the face that is read at once, else the largest is; it may be set from another thread.
    A context manager: leaving, or `close()`, frees the models. Raises `WeightsError` and `CheckpointError` when made.
    """

    WIDTH: int = WIDTH

    def __init__(self, landmarker: Path, expression: Path | None = None, finder: FaceFinder | None = None) -> None:
        self._textures, self._expression = TextureReader(), ExpressionReader(expression)
        self._reader = FaceReader(landmarker) if finder is None else FarReader(landmarker, finder)
        self._stillness, self._tracker = Stillness(), Tracker()
        self.following: int | None = None

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
        """What the picture shows; any picture will do.

        17 ms on one thread, 8 to 12 more for each further face; with a finder what that takes comes on top.
        """
        image = frame.image
        picture = analysed(image, self._reader.longest)
        luma = grey(picture)
        faces = self._reader.read(picture, frame.pts)
        ids = self._tracker.identify([face.box for face in faces], frame.pts)
        scale = image.shape[0] / picture.shape[0]
        seen = tuple(seen_face(picture, luma, face, name, scale) for face, name in zip(faces, ids, strict=True))
        observation = FaceObservation(
            pts=frame.pts,
            seen=seen,
            exposure=cv2.mean(luma)[0] / 255,
            detail=detail(luma),
            still=self._stillness.seconds(luma, frame.pts),
            blocks=blockiness(luma) if seen else 1.0,
        )
        return self.read(observation, self.following if self.following in ids else None)

    def read(self, observation: FaceObservation, name: int | None = None) -> FaceObservation:
        """The observation with the values of the face of that id, or of the largest. About 4 ms, once per face."""
        face = observation.face(name)
        if face is None or face.look is None:
            return observation
        look = face.look
        texture = self._textures.read(look.portrait[None])
        said = self._expression.read(look.crop[None], texture, look.shape[None], look.blendshapes[None])
        values = np.concatenate([look.blendshapes, look.pose, said.embedding[0]])
        read = replace(face, view=replace(face.view, covered=float(said.covered[0])), values=values, look=None)
        return replace(observation, seen=tuple(read if one is face else one for one in observation.seen))


def seen_face(picture: Picture, luma: Picture, face: Face, name: int, scale: float) -> SeenFace:
    """A face before the networks have read it; `luma` is the grey `picture`, `scale` frame pixels per pixel of it."""
    crop = aligned_crop(luma, face)
    return SeenFace(
        id=name,
        box=face.box,
        area=face.area / luma.size,
        mouth=mouth_opening(face),
        view=face_view(luma, face, crop, scale),
        values=None,
        look=Look(crop, portrait(picture, face), face_shape(face), face.blendshapes, face.pose),
    )
