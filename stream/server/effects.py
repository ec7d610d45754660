"""Frames made worse on purpose, as a stream runs: what the switches of a session do to them.

The same things that `ebmc bench degradation` does to a recording (`stream/bench/disturbances.py`), frame by frame.
"""

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stream.bench.disturbances import babble_from, blurred_image
from stream.bench.take import CLEAN_SOUND, clean_take, sound_of
from stream.records import AudioFrame, VideoFrame
from stream.server.messages import Switches
from stream.sources.source import BUNDLED_CLIP

MEMORY = 2.0  # seconds over which the loudness of the speech is measured
QUIET = 0.01  # root mean square below which sound is no speech, and the least loudness of a babble
ONE_OF = 10  # pictures, of which one is left when pictures are dropped
SEED = 1


@cache
def voices() -> NDArray[np.float32]:
    """Talkers at once, float32 `[n]`, 16 kHz, of root mean square 1: the bundled clip's speech, over itself."""
    last = CLEAN_SOUND[0][1]
    babble = babble_from([sound_of(clean_take(BUNDLED_CLIP, last, 1.0))], SEED)
    return babble / np.float32(np.sqrt(np.mean(np.square(babble))))


class Effects:
    """The effects of one session; they remember what a frozen picture was and how loud the speech is."""

    def __init__(self) -> None:
        self.switches = Switches()
        self._still: VideoFrame | None = None
        self._pictures = self._place = 0
        self._power = QUIET**2

    def picture(self, frame: VideoFrame) -> VideoFrame | None:
        """The picture as it is looked at; None when it is lost. May take some milliseconds."""
        switches = self.switches
        self._pictures += 1
        if switches.dropping and self._pictures % ONE_OF:
            return None
        if not switches.frozen or self._still is None:
            self._still = frame
        image = self._still.image
        if switches.blurred:
            image = blurred_image(image)
        if switches.covered:
            image = np.zeros_like(image)
        return VideoFrame(frame.pts, image)

    def sound(self, frame: AudioFrame) -> AudioFrame:
        """The sound as it is heard."""
        samples = frame.samples
        power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
        if np.isfinite(power) and power > QUIET**2:
            share = min(1.0, len(samples) / frame.rate / MEMORY)
            self._power += share * (power - self._power)
        if self.switches.muted:
            samples = np.zeros_like(samples)
        if self.switches.babble:
            samples = samples + np.float32(np.sqrt(self._power)) * self._babble(len(samples))
        return replace(frame, samples=samples)

    def _babble(self, length: int) -> NDArray[np.float32]:
        babble = voices()
        taken = np.take(babble, range(self._place, self._place + length), mode="wrap")
        self._place = (self._place + length) % len(babble)
        return taken
