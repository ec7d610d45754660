"""How well a face can be read: what is measured on it, and the quality that follows.

The quality of a view is a product of factors, each 0..1; their limits were set on the portraits and clips that the card
of the expression checkpoint names.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stream.features.face import Face
from stream.features.picture import Picture, noise_level


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
            "small face": ramp(self.size, 16, 72),
            "blurred": ramp(self.sharpness, 0.08, 0.28),
            "dark": ramp(self.exposure, 0.0, 0.2),
            "overexposed": ramp(self.exposure, 1.0, 0.9),
            "flat": ramp(self.contrast, 0.0, 0.08),
            "noisy": ramp(self.noise, 0.5, 0.05),
            "turned away": ramp(self.turned, 1.2, 0.6),
            "covered": ramp(self.covered, 1.0, 0.4),
        }

    @property
    def quality(self) -> float:
        """Product of the factors, 0..1."""
        return float(np.prod(list(self.factors().values())))


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


def ramp(value: float, worst: float, best: float) -> float:
    """0 at `worst` or beyond, 1 at `best` or beyond, linear between; `best` may be the smaller number."""
    return float(np.clip((value - worst) / (best - worst), 0, 1))
