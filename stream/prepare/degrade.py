"""Portraits made worse on purpose, as cameras, networks and hands do it, so that a model learns what quality means.

Every function takes and gives an RGB picture uint8 `[H, W, 3]`; the strength is drawn from `rng`.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from stream.features.picture import Picture

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 of the face, shares of the picture


def framed(image: Picture, rng: Generator) -> Picture:
    """The portrait at a random place of a larger picture, so that place and size of a face tell nothing of its mood."""
    side = max(image.shape[:2])
    top, bottom, left, right = (int(share * side) for share in rng.uniform(0.05, 0.5, size=4))
    return np.pad(image, ((top, bottom), (left, right), (0, 0)), mode="edge")


def blurred(image: Picture, face: Box, rng: Generator) -> Picture:
    """Out of focus: a Gaussian whose width is 1 to 4 % of the face's height."""
    sigma = rng.uniform(0.01, 0.04) * (face[3] - face[1]) * image.shape[0]
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


def dark(image: Picture, face: Box, rng: Generator) -> Picture:
    """5 to 40 % of the light, with the noise that a sensor then has."""
    light = image.astype(np.float32) * np.exp(rng.uniform(np.log(0.05), np.log(0.4)))
    return _rounded(light + rng.normal(0, 1.5, image.shape))


def noisy(image: Picture, face: Box, rng: Generator) -> Picture:
    """White noise, 5 to 25 grey levels."""
    return _rounded(image + rng.normal(0, rng.uniform(5, 25), image.shape))


def coarse(image: Picture, face: Box, rng: Generator) -> Picture:
    """Few pixels and few bits: shrunk until the face is 24 to 56 pixels high, JPEG quality 10 to 50, enlarged again."""
    ratio = min(1.0, rng.uniform(24, 56) / max(1.0, (face[3] - face[1]) * image.shape[0]))
    small = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
    _, code = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(10, 50))])
    decoded = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), dtype=np.uint8)
    return np.asarray(cv2.resize(decoded, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def covered(image: Picture, face: Box, rng: Generator) -> Picture:
    """A hand before the face: an ellipse of the colour of the skin over a third of it, anywhere from brow to chin."""
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (int(share * side) for share, side in zip(face, (width, height, width, height), strict=True))
    skin = np.median(image[y0:y1, x0:x1].reshape(-1, 3), axis=0) * rng.uniform(0.7, 1.1)
    centre = int(rng.uniform(x0, x1)), int(rng.uniform(y0 + 0.2 * (y1 - y0), y1))
    axes = int(rng.uniform(0.15, 0.3) * (x1 - x0)), int(rng.uniform(0.2, 0.45) * (y1 - y0))
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, centre, axes, float(rng.uniform(-45, 45)), 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None]
    return _rounded(image * (1 - mask) + (skin + rng.normal(0, 4, image.shape)) * mask)


def _rounded(image: np.ndarray) -> Picture:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


DEGRADATIONS: dict[str, Callable[[Picture, Box, Generator], Picture]] = {
    "blur": blurred,
    "dark": dark,
    "noise": noisy,
    "coarse": coarse,
    "covered": covered,
}
