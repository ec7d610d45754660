"""A stream's frames into chunks of even length. Pure: no clock, no loop.

A chunk must be complete, so it is cut once every kind of frames was seen up to its end; a kind that lags behind the
other by more than `lateness` is not waited for.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk
from stream.chunks.encoding import encoded
from stream.records import AudioFrame, Frame

ROUNDING = 0.0005  # seconds; a frame that is so near to the next chunk is in it, as who reads the chunks has it
SAME = 0.001  # seconds; the end of the last chunk is just after its last picture


@dataclass(slots=True)
class Cutter:
    """Chunk `n` holds `length` seconds of event time from `begin + n * length` on. Where nothing came there is none.

    origin: Unix time at event time 0, of a live source, seconds. late: frames that came when their chunk had been cut.
    begin: event time before which nothing is wanted, seconds. sequence: of the next chunk.
    """

    stream: str
    run: str
    kinds: frozenset[Modality]
    length: float
    lateness: float
    origin: float | None = None
    late: int = 0
    begin: float = 0.0
    sequence: int = 0
    _frames: dict[int, list[Frame]] = field(default_factory=lambda: defaultdict(list))
    _seen: dict[Modality, float] = field(default_factory=dict[Modality, float])
    _next: int = 0

    def push(self, frame: Frame) -> list[Chunk]:
        """Take the next frame; returns the chunks that are complete, in order."""
        kind = Modality.AUDIO if isinstance(frame, AudioFrame) else Modality.VIDEO
        self._seen[kind] = max(self._seen.get(kind, 0.0), frame.end)
        number = math.floor((frame.pts - self.begin + ROUNDING) / self.length)
        if number < self._next:
            self.late += 1
            return []
        self._frames[number].append(frame)
        slowest = min(self._seen.get(kind, 0.0) for kind in self.kinds)
        complete = max(slowest, max(self._seen.values()) - self.lateness)
        return self._cut(math.floor((complete - self.begin) / self.length + 1e-9))

    def finish(self) -> list[Chunk]:
        """The stream has ended: what is left. The last chunk says that it is the last."""
        newest = max(self._frames, default=self._next)
        chunks = self._cut(newest)
        start, frames = self._edge(newest), self._frames.pop(newest, [])
        end = max([start, *(min(frame.end, start + self.length) for frame in frames)])
        return [*chunks, self._chunk(start, end + SAME if frames else end, frames, True)]

    def _cut(self, until: int) -> list[Chunk]:
        """The chunks before number `until`."""
        chunks: list[Chunk] = []
        for number in sorted(number for number in self._frames if number < until):
            frames = self._frames.pop(number)
            chunks.append(self._chunk(self._edge(number), self._edge(number + 1), frames, False))
        self._next = max(self._next, until)
        return chunks

    def _edge(self, number: int) -> float:
        return self.begin + number * self.length

    def _chunk(self, start: float, end: float, frames: list[Frame], last: bool) -> Chunk:
        media, sequence = encoded(frames), self.sequence
        self.sequence += 1
        return Chunk(self.stream, self.run, sequence, self.kinds, start, end, media, last, self.origin)
