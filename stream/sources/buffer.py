"""Frames on their way from a reading thread to the event loop, in two bounded buffers.

`BlockingBuffer` makes the thread wait for room: nothing is lost, as files want it. `LiveBuffer` never makes it wait:
what the loop does not fetch in time is dropped and counted.
"""

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace

from ebmc_core.modality import Modality
from stream.records import AudioFrame, Frame
from stream.sources.packets import MediaPacket
from stream.sources.source import Condition


class _Buffer:
    """What both have: a deque behind a lock, and a way to wake the loop once for any number of frames."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()
        self._lock = threading.Condition()
        self._closed = False

    def attach(self) -> None:
        """From now on the running loop fetches frames."""
        self._loop = asyncio.get_running_loop()

    def wake(self) -> None:
        """Let the loop look again; from any thread."""
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            if self._loop:
                self._loop.call_soon_threadsafe(self._ready.set)

    def close(self) -> None:
        """Nothing will be fetched any more: what is put in from now on is thrown away."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()


class BlockingBuffer(_Buffer):
    """At most `limit` frames; the thread waits for room."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._frames: deque[Frame] = deque()
        self._ended = False
        self._error: BaseException | None = None

    def put(self, frame: Frame) -> bool:
        """Wait for room and put a frame in. False when nobody wants it any more. Called by the thread."""
        with self._lock:
            self._lock.wait_for(lambda: self._closed or len(self._frames) < self._limit)
            if self._closed:
                return False
            self._frames.append(frame)
            if len(self._frames) > 1:
                return True
        self.wake()
        return True

    def end(self, error: BaseException | None) -> None:
        """There are no more frames; why, if this is an error. Called by the thread."""
        with self._lock:
            self._ended, self._error = True, error
        self.wake()

    async def take(self) -> list[Frame]:
        """Every frame that is there, at least one; none at the end. Raises the error it ended with."""
        while True:
            self._ready.clear()
            with self._lock:
                frames = list(self._frames)
                self._frames.clear()
                self._lock.notify_all()
                ended, error = self._ended, self._error
            if frames:
                return frames
            if ended:
                if error:
                    raise error
                return []
            await self._ready.wait()


class LiveBuffer(_Buffer):
    """Frames of at most `seconds`: of the pictures the latest, of the sound the newest; what waited longer is dropped.

    Its policies are two, `latest` for pictures and `latency-bounded` for sound (oldest first, beyond `seconds`). It is
    no `Channel`, since a thread fills it. Every frame that is dropped is counted in `condition.dropped`.
    """

    def __init__(self, seconds: float, condition: Condition) -> None:
        super().__init__()
        self._seconds, self._condition = seconds, condition
        self._frames: deque[tuple[float, Frame]] = deque()  # when it came in, on the wall clock
        self._sound = 0.0  # seconds of sound that wait

    def put(self, frame: Frame) -> None:
        """Put a frame in and never wait. Called by any thread."""
        with self._lock:
            if self._closed:
                return
            first = not self._frames
            if isinstance(frame, AudioFrame):
                self._sound += len(frame.samples) / frame.rate
            else:
                self._drop_picture()
            self._frames.append((time.monotonic(), frame))
            while self._sound > self._seconds and self._drop_sound():
                pass
        if first:
            self.wake()

    async def take(self, most: float) -> list[Frame]:
        """Every frame that is there; waits at most `most` seconds for one, or until `wake`."""
        self._ready.clear()
        if not (frames := self._fetch()):
            await self.pause(most)
            frames = self._fetch()
        return frames

    async def pause(self, most: float) -> None:
        """Wait at most `most` seconds for something to happen."""
        with suppress(TimeoutError):  # not `wait_for`, which in Python 3.11 can lose a cancellation when it is woken
            async with asyncio.timeout(most):
                await self._ready.wait()
        self._ready.clear()

    def _fetch(self) -> list[Frame]:
        oldest = time.monotonic() - self._seconds
        with self._lock:
            waiting = list(self._frames)
            self._frames.clear()
            self._sound = 0.0
            frames = [frame for since, frame in waiting if since >= oldest]
            if late := len(waiting) - len(frames):
                self._condition.dropped["waited too long"] += late
        return frames

    def _drop_picture(self) -> None:
        for index, (_, frame) in enumerate(self._frames):
            if not isinstance(frame, AudioFrame):
                del self._frames[index]
                self._condition.dropped["newer picture"] += 1
                return

    def _drop_sound(self) -> bool:
        for index, (_, frame) in enumerate(self._frames):
            if isinstance(frame, AudioFrame):
                del self._frames[index]
                self._sound -= len(frame.samples) / frame.rate
                self._condition.dropped["sound buffer full"] += 1
                return True
        return False


class PacketBuffer(LiveBuffer):
    """A live buffer that takes packets too. Those are of use in a row only: of more than `limit` bytes all are dropped,
    and the next one says that it is not whole.
    """

    def __init__(self, seconds: float, condition: Condition, limit: int = 64 * 1024 * 1024) -> None:
        super().__init__(seconds, condition)
        self._limit = limit
        self._packets: deque[MediaPacket] = deque()
        self._bytes = 0
        self._torn: set[Modality] = set()

    def put_packet(self, packet: MediaPacket) -> None:
        """Put a packet in and never wait. Called by any thread."""
        kind = packet.track.kind
        with self._lock:
            if self._closed:
                return
            if self._bytes + len(packet.data) > self._limit:
                self._condition.dropped["packet buffer full"] += len(self._packets)
                self._torn |= {waiting.track.kind for waiting in self._packets} | {kind}
                self._packets.clear()
                self._bytes = 0
            if kind in self._torn:
                self._torn.discard(kind)
                packet = replace(packet, whole=False)
            self._packets.append(packet)
            self._bytes += len(packet.data)
            first = len(self._packets) == 1
        if first:
            self.wake()

    async def take_all(self, most: float) -> list[Frame | MediaPacket]:
        """As `take`, with the packets."""
        frames = await self.take(most) if not self._packets else self._fetch()
        with self._lock:
            packets = list(self._packets)
            self._packets.clear()
            self._bytes = 0
        return [*packets, *frames]
