"""Events to one topic, whatever the brokers do: put in at once, delivered in order per stream, at least once.

Two tasks: one feeds a link and opens another when it broke, one looks after what waits. What an outage costs is
bounded: memory by count, disk by size and age. While it lasts, new events go to the disk and nobody waits for Kafka.
"""

import asyncio
import random
import time
from contextlib import suppress
from functools import partial
from typing import Any

from aiokafka.errors import KafkaTimeoutError, ProducerClosed, RequestTimedOutError

from stream.errors import SinkError
from stream.kafka.address import Address
from stream.kafka.backlog import Backlog
from stream.kafka.faults import LOST, SHARED, mend, refusal, told
from stream.kafka.link import ALONE, BATCH, Link, opened
from stream.kafka.message import Message
from stream.kafka.options import KafkaSettings
from stream.kafka.report import Report

TICK = 0.25  # seconds between two looks at what waits
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries to connect
RENEW = 3.0  # a link on which nothing came for so many request timeouts is opened anew: addresses may have changed


class Delivery:
    """The way of one topic."""

    def __init__(self, address: Address, settings: KafkaSettings, backlog: Backlog, report: Report) -> None:
        self._address, self._settings, self._backlog, self._report = address, settings, backlog, report
        self._link: Link | None = None
        self._broken: BaseException | None = None  # why the link must be given up
        self._heard = self._since = time.monotonic()  # last heard (or nothing to hear); link open, or lost, since
        self._one_by_one = 0  # so many more events go one in a batch, to find the one that is refused
        self._changed, self._tried, self._moved = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._ending = False
        self._unusable: SinkError | None = None

    def put(self, message: Message) -> None:
        """Take the newest event. Returns at once."""
        if not self._backlog.waiting:
            self._heard = time.monotonic()
        self._backlog.put(message)
        self._changed.set()

    async def moved(self) -> None:
        """Wait until something was acknowledged, or a moment has passed."""
        self._moved.clear()
        await self._moved.wait()

    async def unusable(self) -> SinkError | None:
        """Wait for the first try to connect; the error that no waiting will mend, if there is one.

        Brokers that are only away, or slow to answer, are none: what is put in waits for them.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.request_timeout):
                await self._tried.wait()
        return self._unusable

    async def run(self) -> None:
        """Deliver until `end` was called and nothing waits, or until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._look_after())
            try:
                await self._deliver()
            finally:
                looking.cancel()
        if self._over():
            self._report.over(self._backlog.caught_up())

    def end(self) -> None:
        """There will be no more events; `run` returns when all are acknowledged."""
        self._ending = True
        self._changed.set()

    async def _deliver(self) -> None:
        pause = FIRST_PAUSE
        while not self._over():
            try:
                async with opened(self._address, self._settings, ALONE if self._one_by_one else BATCH) as link:
                    self._tried.set()
                    self._link, self._broken, self._since = link, None, time.monotonic()
                    await self._feed(link)
                    self._link = None  # answers that come after this are nobody's
                if self._broken and self._heard < self._since:  # it took nothing at all: not again at once
                    raise self._broken
                pause = FIRST_PAUSE
            except LOST as error:
                if self._cannot_open(error):
                    return
                self._report.begins(told(error), self._heard)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE)
            finally:
                self._link = None
                await self._backlog.return_flight()

    async def _feed(self, link: Link) -> None:
        """Send what waits until the link breaks, or until nothing more will come."""
        while not self._broken and not self._over():
            self._changed.clear()
            room = self._backlog.flight < self._settings.in_flight
            row = await self._backlog.take() if room else None
            if row is None:
                if not self._changed.is_set():
                    await self._changed.wait()
                continue
            place, message = row
            try:
                future = await link.send(message)
            except KafkaTimeoutError as error:  # no room in the batch: the brokers do not take what went before
                self._broken = error
            except LOST as error:
                self._failed(place, message, error)
            else:
                future.add_done_callback(partial(self._answered, link, place, message))

    def _answered(self, link: Link, place: int, message: Message, future: asyncio.Future[Any]) -> None:
        error = ProducerClosed() if future.cancelled() else future.exception()
        if link is not self._link or (self._broken and error):
            return  # it goes again over the next link
        if error:
            self._failed(place, message, error)
            return
        self._heard = time.monotonic()
        self._report.acknowledged(max(0.0, time.time() - message.timestamp_ms / 1000))
        self._settle(place)

    def _failed(self, place: int, message: Message, error: BaseException) -> None:
        """Drop the event if the brokers will never take it; else the link is broken, and the event goes again."""
        reason = refusal(error)
        if reason is None:
            self._broken = error
        elif reason in SHARED and not self._one_by_one and message.size <= self._settings.max_message_bytes:
            self._broken, self._one_by_one = error, self._backlog.flight
            self._heard = time.monotonic()
        else:
            self._heard = time.monotonic()  # a refusal is an answer
            self._report.dropped(message.stream, reason, 1)
            self._settle(place)
        self._changed.set()

    def _settle(self, place: int) -> None:
        self._backlog.settle(place)
        self._changed.set()
        self._moved.set()
        if self._one_by_one:
            self._one_by_one -= 1
            if not self._one_by_one:
                self._broken = ProducerClosed()  # the next link sends in batches again

    async def _look_after(self) -> None:
        """Every moment: notice that the brokers are silent, move what waits to the disk, tell the meters."""
        backlog, report = self._backlog, self._report
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            if not backlog.waiting and self._link:
                self._heard = now
            silent = now - self._heard
            if silent > self._settings.patience:
                report.begins(f"no answer for {silent:.1f} s", self._heard)
            if silent > self._settings.patience or backlog.behind or backlog.full:
                await backlog.keep()
            else:
                await backlog.tidy()
                if not backlog.on_disk and self._link and self._heard >= self._since:
                    report.over(backlog.caught_up())
            if self._link and now - max(self._heard, self._since) > RENEW * self._settings.request_timeout:
                self._broken = RequestTimedOutError()
            report.waiting(backlog.waiting, backlog.spilled)
            self._changed.set()
            self._moved.set()

    def _over(self) -> bool:
        return self._ending and not self._backlog.waiting

    def _cannot_open(self, error: BaseException) -> bool:
        """Whether it was the first try, and waiting does not help."""
        words = mend(error)
        if words and not self._tried.is_set():
            self._unusable = SinkError(f"{self._address}: {words}")
        self._tried.set()
        return self._unusable is not None
