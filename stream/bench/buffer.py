"""Between a thread that never waits and a pipeline that may: bounded, and every frame that is lost is counted."""

import asyncio
import threading
from collections import Counter, deque

from stream.records import AudioFrame, Frame

LIMIT = 128  # items: about 4 s of a stream with 20 pieces of sound and 10 pictures a second


class FrameBuffer:
    """Holds at most `limit` frames. A full one loses its oldest frame, counted under `sound` or `pictures`."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.fed: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._frames: deque[Frame | None] = deque()  # None: the end
        self._lock, self._filled = threading.Lock(), asyncio.Event()

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: Frame | None) -> None:
        """Put a frame in (None: there will be no more), from any thread; never waits."""
        with self._lock:
            if frame is not None:
                self.fed[kind(frame)] += 1
            if len(self._frames) >= self.limit and (oldest := self._frames.popleft()) is not None:
                self.dropped[kind(oldest)] += 1
            self._frames.append(frame)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._filled.set)

    async def get(self) -> Frame | None:
        """The oldest frame; waits for one. None when there will be no more."""
        while True:
            with self._lock:
                if self._frames:
                    frame = self._frames.popleft()
                    if frame is not None:
                        self.taken[kind(frame)] += 1
                    return frame
                self._filled.clear()
            await self._filled.wait()

    def waiting(self) -> Counter[str]:
        """What was neither taken nor dropped."""
        with self._lock:
            return Counter(kind(frame) for frame in self._frames if frame is not None)


def kind(frame: Frame) -> str:
    """What a frame is counted under."""
    return "sound" if isinstance(frame, AudioFrame) else "pictures"
