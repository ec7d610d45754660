"""Where events of all streams come by, and everybody who wants them stands."""

import time
from collections import defaultdict, deque
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from stream.channel import Channel, Policy
from stream.event import SentimentEvent
from stream.sinks.sink import Unopened

KEPT = 240  # newest events of a running stream that can be asked for: two minutes
WAITING = 64  # events that a reader has not taken yet; then its oldest is dropped
EVERY = ""  # the name under which readers of all streams stand


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """An event, as one line of JSON, and when it came by, `time.monotonic()` seconds."""

    event: SentimentEvent
    line: str
    at: float

    def age_ms(self) -> float:
        """How long ago its window ended, milliseconds."""
        return self.event.latency.capture_to_event_ms + (time.monotonic() - self.at) * 1000


Reader = Channel[Published]


class Hub(Unopened):
    """The sink of the server's pipeline. Nothing of a stream is kept once it has ended.

    Early events are handed to those who asked for them, and never kept.
    """

    early = True

    def __init__(self) -> None:
        self._kept: dict[str, deque[Published]] = {}
        self._readers: defaultdict[str, set[Reader]] = defaultdict(set)
        self._hasty: set[Reader] = set()
        self._last: dict[str, int] = {}

    @property
    def reading(self) -> int:
        """How many readers there are."""
        return sum(len(readers) for readers in self._readers.values())

    def begin(self, stream: str) -> None:
        """A stream is there, though it had no event yet."""
        self._kept[stream] = deque(maxlen=KEPT)

    async def send(self, event: SentimentEvent) -> None:
        """Hand an event to those who read its stream."""
        stream = event.window.stream
        if stream not in self._kept:
            return
        published = Published(event, event.as_json(), time.monotonic())
        if event.early:
            for reader in self._readers[stream] & self._hasty:
                reader.offer(published)
            return
        self._kept[stream].append(published)
        for reader in (*self._readers[stream], *self._readers[EVERY]):
            reader.offer(published)
        if event.window.index + 1 >= self._last.get(stream, event.window.index + 2):
            self.forget(stream)

    def end(self, stream: str, windows: int) -> None:
        """A stream will have so many windows and no more: its readers end after the last one."""
        kept = self._kept.get(stream)
        if kept is not None and (not windows or (kept and kept[-1].event.window.index + 1 >= windows)):
            self.forget(stream)
        elif kept is not None:
            self._last[stream] = windows

    def forget(self, stream: str) -> None:
        """A stream is over: its events go, and its readers end."""
        self._kept.pop(stream, None)
        self._last.pop(stream, None)
        for reader in self._readers.pop(stream, ()):
            reader.close()

    def close(self) -> None:
        """Nothing more comes by: all readers end."""
        for stream in list(self._kept):
            self.forget(stream)
        for reader in self._readers[EVERY]:
            reader.close()

    def streams(self) -> dict[str, int]:
        """The streams that run, with the number of their windows so far."""
        return {name: kept[-1].event.window.index + 1 if kept else 0 for name, kept in self._kept.items()}

    def event(self, stream: str, index: int) -> Published | None:
        """The event of a window, if it is still kept."""
        return next((one for one in self._kept.get(stream, ()) if one.event.window.index == index), None)

    def after(self, event_id: str, stream: str = EVERY) -> list[Published]:
        """What is kept after an event, of one stream or of all, for a reader that was away for a moment.

        Nothing when the event is not kept, or is another stream's.
        """
        kept = [one for name, events in self._kept.items() if stream in (EVERY, name) for one in events]
        last = next((one for one in kept if one.event.event_id == event_id), None)
        later = [one for one in kept if last and one.at >= last.at and one is not last]
        return sorted(later, key=lambda one: one.at)

    @contextmanager
    def reader(self, stream: str = EVERY, early: bool = False) -> Generator[Reader]:
        """The events of one stream, or of all, from now on. early: and the early ones of that stream."""
        reader: Reader = Channel(WAITING, Policy.DROP_OLDEST)
        self._readers[stream].add(reader)
        if early:
            self._hasty.add(reader)
        try:
            yield reader
        finally:
            self._readers[stream].discard(reader)
            self._hasty.discard(reader)
            if not self._readers[stream]:
                del self._readers[stream]
            reader.close()
