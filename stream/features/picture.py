"""Measures of a whole picture: its size for analysis, its light, its noise, and whether it moves at all."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

LONGEST = 960  # pixels: the landmarker looks at 192 x 192 and 256 x 256, so a larger picture only costs time
THUMBNAIL = (160, 120)  # width, height of what is compared to tell a frozen picture
COARSE = (16, 12)  # width, height at which noise is gone and a scene still is there
CHANGED = 2  # grey levels by which the most changed spot of two thumbnails must differ,
BRIGHT = 64  # if the picture has spots as bright as this; fewer in a darker one, whose changes are smaller too


def analysed(image: Picture, most: int = LONGEST) -> Picture:
    """The picture `[H, W, 3]` with its longest side at most so many pixels, contiguous in memory."""
    longest = max(image.shape[:2])
    if longest <= most:
        return np.ascontiguousarray(image)
    width, height = (max(1, round(side * most / longest)) for side in (image.shape[1], image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def grey(image: Picture) -> Picture:
    """Luma `[H, W]` of an RGB picture."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def detail(luma: Picture) -> float:
    """Spread of the luma over the picture, 0..1, blind to noise: next to nothing when something lies on the lens."""
    return float(cv2.resize(luma, COARSE, interpolation=cv2.INTER_AREA).std()) / 255


def noise_level(luma: Picture) -> float:
    """Standard deviation of the noise in grey levels, 0..255 (J. Immerkaer, Fast Noise Variance Estimation, 1996).

    The mask is the difference of two Laplacians, blind to plain edges; the median instead of the mean keeps it blind to
    hair and text as well.
    """
    if min(luma.shape) < 3:
        return 0.0
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
    response = cv2.filter2D(luma, cv2.CV_16S, mask)[1:-1, 1:-1]  # whole numbers, -2040..2040
    until = np.cumsum(np.bincount(np.abs(response).ravel()))  # four times as fast as sorting them
    middle = np.searchsorted(until, [(response.size + 1) // 2, response.size // 2 + 1])
    return float(middle.mean()) / (0.6745 * 6.0)  # 6: the gain of the mask on white noise


def blockiness(luma: Picture) -> float:
    """How much larger the steps between columns are at the borders of an 8 pixel grid than within it; 1: no blocks.

    Coding as JPEG leaves them; a picture that was scaled afterwards does not show them any more, nor this number.
    """
    if luma.shape[1] < 16:
        return 1.0
    difference = cv2.absdiff(luma[:, 1:], luma[:, :-1])
    steps = np.asarray(cv2.reduce(difference, 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F))[0]
    border = np.arange(len(steps)) % 8 == 7
    return float(steps[border].mean() / max(float(steps[~border].mean()), 0.5))  # a flat picture has none


@dataclass(slots=True)
class Stillness:
    """For how long a stream has shown the very same picture. A real camera never does: its sensor has noise."""

    since: float | None = None
    _thumbnail: Picture | None = None

    def seconds(self, luma: Picture, pts: float) -> float:
        """Seconds, up to `pts`, in which no spot of the picture has changed; 0 for a picture that is new."""
        small = np.asarray(cv2.resize(luma, THUMBNAIL, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        before, self._thumbnail = self._thumbnail, small
        if before is None or self.since is None or _changed(before, small):
            self.since = pts
        return max(0.0, pts - self.since)


def _changed(before: Picture, small: Picture) -> bool:
    limit = CHANGED * min(BRIGHT, int(small.max())) // BRIGHT
    return int(cv2.absdiff(small, before).max()) > limit
