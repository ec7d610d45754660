"""Live sources: watched, given up when they hang, opened anew when they are lost; the stream goes on all the while."""

import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from ebmc_core.modality import Modality
from stream.apart.decoders import Decoders
from stream.apart.remote import opened_apart
from stream.errors import SourceError, SourceLost
from stream.records import Frame
from stream.settings import Settings
from stream.sources.backoff import Backoff
from stream.sources.buffer import LiveBuffer, PacketBuffer
from stream.sources.connection import Connection, Gate, Input, Origin
from stream.sources.packets import MediaPacket, Packets, kind_of
from stream.sources.source import Condition, Link, Media

log = logging.getLogger(__name__)
Item = TypeVar("Item", Frame, Frame | MediaPacket)

TICK = 0.1  # seconds between two looks at whether the source hangs
HUNG = 4  # threads of one input that may hang at once; no more are begun until one of them has ended
LATER = 1.0  # seconds by which FFmpeg gives a read up after the watchdog did; what it then still has does not count
LEAVING = 0.3  # seconds that threads may take to close what they read; they are left behind after that


class Line:
    """One input through all of its connections. Belongs to the event loop; nothing in it waits.

    away: since when it is lost, on the wall clock, None while it is there. known: it was there before.
    """

    def __init__(self, source: Input, buffer: LiveBuffer, origin: Origin, settings: Settings) -> None:
        self.input, self._buffer, self._settings = source, buffer, settings
        self.gate = Gate(origin)
        self.away: float | None = None
        self.known = False
        self.reconnects = 0
        self.last: str | None = None
        self._patience = max(settings.read_timeout, source.silence)
        self._backoff = Backoff(settings.reconnect_wait, settings.reconnect_most)
        self._retry = 0.0
        self._hung: list[Connection] = []
        self.connection: Connection | None = self._connect()

    def step(self, now: float) -> None:
        """Look at the connection; give it up, or try again, if it is time. Raises `SourceLost`."""
        self._hung = [old for old in self._hung if old.running]
        connection = self.connection
        if connection is None:
            if now >= self._retry and len(self._hung) < HUNG:
                self.connection = self._connect()
        elif trouble := self.trouble(now):
            self._lose(connection, trouble, now)
        elif connection.packets and self.away is not None:
            log.info("%s is back after %.1f s", self.input.called, now - self.away)
            self.away, self.reconnects = None, self.reconnects + 1
        elif connection.packets and now - connection.begun > self._settings.reconnect_most:
            self._backoff.reset()
        limit = self._settings.gone_after
        if self.away is not None and limit is not None and now - self.away > limit:
            raise SourceLost(f"{self.input.called}: is away for {now - self.away:.0f} s ({self.last}); giving it up")

    def arrived(self) -> None:
        """It was opened for the first time, which is no reconnect."""
        self.away, self.known, self.reconnects = None, True, 0

    def trouble(self, now: float) -> str | None:
        """What is wrong with the connection, if anything is."""
        connection, limit = self.connection, self._settings.open_timeout
        if connection is None or connection.failure is not None:
            return connection.failure if connection else None
        if connection.kinds is None and now - connection.begun > limit:
            return f"{self.input.called}: no answer within {limit:g} s; {self.input.hint}"
        if connection.kinds is not None and now - connection.last > self._patience:
            return f"nothing came for {self._patience:g} s"
        return None

    def leave(self) -> None:
        """Abandon the connection."""
        if self.connection:
            self.connection.abandon()

    @property
    def running(self) -> bool:
        """Whether the thread of the connection still reads."""
        return self.connection is not None and self.connection.failure is None

    def _connect(self) -> Connection:
        timeout = (self._settings.open_timeout + LATER, self._patience + LATER)
        connection = Connection(self.input, self.gate, self._buffer, self._settings.video_rate, timeout)
        connection.start()
        return connection

    def _lose(self, connection: Connection, trouble: str, now: float) -> None:
        connection.abandon()
        self._hung.append(connection)
        self.connection, self._retry = None, now + self._backoff.next()
        if self.away is None:
            self.away, self.last = now, trouble
            said = "%s is lost (%s); trying to get it back" if self.known else "%s is not there yet (%s); trying again"
            log.warning(said, self.input.called, trouble)


class LiveSource:
    """One stream from one or more inputs, each of which may go and come back on its own.

    Sound comes in frames of 32 ms, pictures as they are decoded, `settings.video_rate` per second at most. decoders:
    processes that read it, in place of threads of this one.
    """

    live = True

    def __init__(
        self, name: str, inputs: Sequence[Input], settings: Settings, decoders: Decoders | None = None
    ) -> None:
        self.name, self.decoders = name, decoders
        self._inputs, self._settings = inputs, settings
        self._origin: float | None = None

    def resumed(self, origin: float | None) -> "LiveSource":
        """The same, to be read in this process and waited for as what was there before; `origin` as in `Condition`."""
        again = LiveSource(self.name, self._inputs, self._settings.model_copy(update={"open_patience": float("inf")}))
        again._origin = origin
        return again

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[Media]:
        """Open all inputs. Raises `SourceError` when one cannot be opened; what is lost later is waited for.

        With `settings.open_patience` one that is not there yet is waited for too, as after the start of a machine.
        """
        if self.decoders:
            there = LiveSource(self.name, self._inputs, self._settings)
            async with opened_apart(there, self.decoders) as media:
                yield media
            return
        condition = Condition()
        buffer = LiveBuffer(self._settings.live_buffer, condition)
        async with self._opened(buffer) as (lines, kinds):
            yield Media(kinds, None, _items(lines, kinds, buffer.take, condition), condition)

    @asynccontextmanager
    async def open_packets(self) -> AsyncGenerator[Packets]:
        """The same for packets instead of frames, where those can be passed on as they are."""
        condition = Condition()
        buffer = PacketBuffer(self._settings.live_buffer, condition)
        async with self._opened(buffer) as (lines, kinds):
            yield Packets(kinds, _items(lines, kinds, buffer.take_all, condition), condition)

    @asynccontextmanager
    async def _opened(self, buffer: LiveBuffer) -> AsyncGenerator[tuple[list[Line], frozenset[Modality]]]:
        origin = Origin(self._origin)
        buffer.attach()
        lines = [Line(source, buffer, origin, self._settings) for source in self._inputs]
        try:
            yield lines, await _kinds(lines, buffer, self._settings.open_patience)
        finally:
            buffer.close()
            for line in lines:
                line.leave()
            await _ended(lines, buffer)


async def _kinds(lines: Sequence[Line], buffer: LiveBuffer, patience: float) -> frozenset[Modality]:
    """What the inputs have, once all of them are open. patience: how long they are tried again, seconds."""
    begun = time.monotonic()
    while True:
        now = time.monotonic()
        opened = [line.connection.kinds if line.connection else None for line in lines]
        if trouble := next((why for line in lines if (why := line.trouble(now))), None):
            if now - begun >= patience:
                raise SourceError(trouble)
        for line in lines if patience else ():
            line.step(now)
        if all(opened) and not trouble:
            for line in lines:
                line.arrived()
            return frozenset(kind for kinds in opened for kind in kinds or ())
        await buffer.pause(TICK)


async def _items(
    lines: Sequence[Line],
    kinds: frozenset[Modality],
    take: Callable[[float], Awaitable[Sequence[Item]]],
    condition: Condition,
) -> AsyncGenerator[Item]:
    """What comes, while the lines are looked after. take: fetches it from the buffer."""
    while True:
        items = await take(TICK)
        now = time.monotonic()
        for line in lines:
            line.step(now)
        _report(lines, condition)
        for item in items:
            if kind_of(item) in kinds:
                yield item
            else:  # it came back as something else
                condition.dropped["new kind"] += 1


def _report(lines: Sequence[Line], condition: Condition) -> None:
    away = [line for line in lines if line.away is not None]
    condition.state = Link.WAITING if away else Link.OPEN
    condition.last = next((line.last for line in (*away, *lines) if line.last), None)
    condition.reconnects = sum(line.reconnects for line in lines)
    clocks = [line.gate.read() for line in lines]
    condition.gaps = condition.reconnects + sum(clock.jumps for clock in clocks)
    condition.origin = next((clock.origin for clock in clocks if clock.origin is not None), None)
    for why in ("settling", "overlap"):
        if count := sum(clock.dropped[why] for clock in clocks):
            condition.dropped[why] = count
    if len(lines) == 1:
        condition.skew = clocks[0].skew
    else:
        drifts = {
            kind: clock.drift
            for line, clock in zip(lines, clocks, strict=True)
            for kind in (line.connection.kinds if line.connection else None) or ()
        }
        condition.skew = drifts.get(Modality.VIDEO, 0.0) - drifts.get(Modality.AUDIO, 0.0)


async def _ended(lines: Sequence[Line], buffer: LiveBuffer) -> None:
    """Give the threads a moment to close what they read; one that hangs is left behind."""
    until = time.monotonic() + LEAVING
    while any(line.running for line in lines) and (left := until - time.monotonic()) > 0:
        await buffer.pause(left)
