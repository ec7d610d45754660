"""What one stream sees: a face observation per analysed picture."""

import asyncio
from collections import deque
from statistics import median_high

from stream.features.video import FaceObservation, VideoFrontEnd, video_features
from stream.records import ModalityFeatures, VideoFrame, Window
from stream.worker import Worker


class Watching:
    """The pictures of one stream, from frames to video features. Owns its face front end and its worker."""

    def __init__(self, front: VideoFrontEnd, worker: Worker) -> None:
        self._front, self.worker = front, worker
        self._coming: deque[tuple[float, asyncio.Future[FaceObservation]]] = deque()
        self._seen: deque[FaceObservation] = deque()
        self._last_face: float | None = None

    async def take(self, frame: VideoFrame) -> None:
        """Look at the next picture, in the worker."""
        self._coming.append((frame.pts, await self.worker.submit(self._front.observe, frame)))

    async def features(self, window: Window) -> tuple[ModalityFeatures, int]:
        """The video features of a closed window, and the most faces that were seen at once in it."""
        while self._coming and self._coming[0][0] < window.end:
            self._seen.append(await self._coming.popleft()[1])
        while self._seen and self._seen[0].pts < window.start:
            self._seen.popleft()
        inside = [seen for seen in self._seen if seen.pts < window.end]
        self._last_face = max((seen.pts for seen in inside if seen.found), default=self._last_face)
        faces = median_high(seen.faces for seen in inside) if inside else 0
        return video_features(inside, window, self._last_face), faces

    async def close(self) -> None:
        """Free the face front end, in the thread that used it."""
        await self.worker.run(self._front.close)
        self.worker.close()
