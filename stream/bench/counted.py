"""Front ends that count the pictures that were looked at."""

from collections import Counter
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path

from stream.features.finder import FaceFinder
from stream.features.video import FaceObservation, VideoFrontEnd
from stream.front_ends import PICTURES, FrontEnds
from stream.records import VideoFrame
from stream.worker import made_to_stand_back


class CountedVideo(VideoFrontEnd):
    """A face front end; each picture it is asked to look at is counted."""

    def __init__(self, landmarker: Path, expression: Path, finder: FaceFinder | None, looked: Counter[str]) -> None:
        super().__init__(landmarker, expression, finder)
        self._looked = looked

    def observe(self, frame: VideoFrame) -> FaceObservation:
        """Look at one picture."""
        self._looked["pictures"] += 1
        return super().observe(frame)


@dataclass(slots=True)
class CountedFrontEnds(FrontEnds):
    """The same models. looked: pictures that were looked at, of all streams."""

    looked: Counter[str] = field(default_factory=Counter[str])

    def watcher(self) -> VideoFrontEnd:
        """A face front end for one stream."""
        made = partial(CountedVideo, self.landmarker, self.expression, self.finder, self.looked)
        return made_to_stand_back(PICTURES, made)


def counted(front: FrontEnds) -> CountedFrontEnds:
    """These front ends, counting. They share everything, so close only one of the two."""
    return CountedFrontEnds(**{part.name: getattr(front, part.name) for part in fields(front)})
