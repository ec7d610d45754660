"""A worker in its group, from joining to leaving or to the first failure: chunks in, events out, offsets committed.

    topic ─chunks─▶ lane of the partition ─▶ pipeline ─events─▶ lane ─▶ topic ─acknowledged─▶ progress ─▶ commit

Nothing is repaired while it runs. Whatever fails ends the shift; the next one, here or in another worker, begins from
what was committed, as after `kill -9`. So there is one way to recover, and it is used and tested all the time.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.structs import OffsetAndMetadata

from stream.channel import Channel
from stream.chunks.chunk import LARGEST, ChunkError
from stream.chunks.counts import Counts
from stream.chunks.lagging import measure_lag
from stream.chunks.lane import Lane, Outlets
from stream.chunks.letters import dead_letter_topic, given_up
from stream.chunks.progress import Commit, commit_from
from stream.event import SentimentEvent
from stream.kafka.address import Address
from stream.kafka.consuming import close_consumer
from stream.kafka.faults import StoodStill
from stream.kafka.link import ALONE, Link, opened
from stream.kafka.options import KafkaSettings
from stream.kafka.security import client_arguments
from stream.kafka.topics import ensure_topic
from stream.pipeline import Run, run
from stream.settings import Settings
from stream.sinks.sink import Unopened
from stream.sources.source import Source

log = logging.getLogger(__name__)
WAIT_MS = 200
COMMIT = 0.5  # seconds between two commits
SESSION = 10.0  # seconds after which the group gives the partitions of a silent worker to others
BEAT = 0.5  # seconds
SETTLE = 5.0  # seconds that the end of a shift waits for acknowledgements
FETCH = 64 * 1024 * 1024  # bytes that are fetched of a partition at once
LETTER = 64 * 1024  # bytes by which a dead letter may be larger than its chunk


@dataclass(frozen=True, slots=True)
class Duty:
    """What a worker is for. silence: seconds after which a stream that says nothing is over."""

    brokers: tuple[str, ...]
    chunks: str
    events: str
    group: str
    transactions: bool = False
    silence: float = 30.0


@dataclass(eq=False)
class Shift(Unopened, ConsumerRebalanceListener):
    """One membership. make: gives the run of a pipeline whose only sink this is. joined: called once it is a member.

    context: how many windows the model reads to fuse one.
    """

    duty: Duty
    settings: Settings
    kafka: KafkaSettings
    make: Callable[["Shift"], Run]
    context: int
    counts: Counts
    joined: Callable[[], None] = lambda: None
    lanes: dict[TopicPartition, Lane] = field(default_factory=dict[TopicPartition, Lane])
    _sources: Channel[Source] = field(default_factory=lambda: Channel(64))
    _assigned: set[TopicPartition] | None = None
    _failure: BaseException | None = None
    _ending: asyncio.Event = field(default_factory=asyncio.Event)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _committing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _links: dict[TopicPartition, AsyncExitStack] = field(default_factory=dict[TopicPartition, AsyncExitStack])

    async def work(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. Raises what the shift failed with."""
        async with self._stack:
            letters = Address(self.duty.brokers, dead_letter_topic(self.duty.chunks))
            large = self.kafka.model_copy(update={"max_message_bytes": LARGEST + LETTER, "compression": "none"})
            # an idempotent producer takes nothing more after a record that was refused
            self._letters = await self._stack.enter_async_context(
                opened(letters, large.model_copy(update={"idempotent": False}), ALONE)
            )
            if not self.duty.transactions:
                self._link = await self._stack.enter_async_context(opened(self._out, self.kafka))
            arguments: dict[str, Any] = client_arguments(self.kafka)
            arguments |= {"bootstrap_servers": list(self.duty.brokers), "client_id": "ebmc-worker"}
            await ensure_topic(Address(self.duty.brokers, self.duty.chunks), large, arguments)
            self._admin = AIOKafkaAdminClient(**arguments)
            self._stack.push_async_callback(self._admin.close)
            await self._admin.start()
            self._consumer = _member(self.duty.group, arguments)
            self._stack.push_async_callback(close_consumer, self._consumer)
            self._consumer.subscribe([self.duty.chunks], listener=self)
            await self._consumer.start()
            self.joined()
            try:
                await self._all_together(stop)
            finally:
                for place, lane in self.lanes.items():
                    lane.abandon()
                    self.counts.gave_up(place.partition)

    async def _all_together(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(part) for part in (self._pipeline(), self._take(), self._commit_always())]
            parts.append(tasks.create_task(self._stay_awake()))
            parts.append(tasks.create_task(measure_lag(self._consumer, self.lanes, self.counts)))
            ending = [tasks.create_task(event.wait()) for event in (stop, self._ending)]
            await asyncio.wait([*ending, *parts], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() and not self._failure:
                await self._settle()
            for task in (*ending, *parts):
                task.cancel()
        if self._failure:
            raise self._failure

    async def send(self, event: SentimentEvent) -> None:
        """The pipeline's events; those of partitions that were revoked are dropped."""
        name = event.window.stream
        lane = next((lane for lane in self.lanes.values() if name in lane.runs), None)
        if lane:
            await lane.write(lane.runs[name], event)

    # the library awaits what these give, though its types say that they give nothing
    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Iterable[TopicPartition]
    ) -> None:
        """Before the group shares its partitions out anew: what is done is told."""
        if revoked:
            await self._commit()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        """After it; `_take` sees to it."""
        self._assigned = set(assigned)

    @property
    def _out(self) -> Address:
        return Address(self.duty.brokers, self.duty.events)

    async def _pipeline(self) -> None:
        await run(self._streams(), self.make(self))

    async def _streams(self) -> AsyncGenerator[Source]:
        async for source in self._sources:
            yield source

    async def _take(self) -> None:
        """Records to their lanes, and lanes to the partitions that are ours."""
        while True:
            if self._assigned is not None:
                assigned, self._assigned = self._assigned, None
                await self._share_out(assigned)
            found = await self._consumer.getmany(timeout_ms=WAIT_MS, max_records=16)
            for place, records in found.items():
                for record in records:
                    if self._assigned is None and (lane := self.lanes.get(place)):
                        await lane.take(record)
            for lane in self.lanes.values():
                lane.release(self.duty.silence)

    async def _share_out(self, assigned: set[TopicPartition]) -> None:
        """Give up the lanes that are not ours any more; begin, or go on with, those that are."""
        told = await self._committed() if assigned else {}
        for place in list(self.lanes):
            lane = self.lanes[place]
            if place not in assigned or told.get(place, lane.committed) != lane.committed:
                lane.abandon()
                del self.lanes[place]
                self.counts.gave_up(place.partition)
                if own := self._links.pop(place, None):
                    async with self._committing:  # a commit that is under way must not lose its producer
                        await own.aclose()
        for place in assigned:
            if place in self.lanes:
                self._consumer.seek(place, self.lanes[place].progress.next)
                continue
            link = self._link if not self.duty.transactions else await self._transactional(place)
            begin = (await self._committed()).get(place) if self.duty.transactions else told.get(place)
            outlets = Outlets(self._sources, self._refuse, self._fail)
            self.lanes[place] = Lane(begin or Commit(0, 0, {}), link, outlets, self.settings, self.context, self.counts)
            if begin:
                self._consumer.seek(place, begin.offset)
            else:
                await self._consumer.seek_to_beginning(place)
        log.info("partitions: %s", ", ".join(str(place.partition) for place in sorted(self.lanes)) or "none")

    async def _transactional(self, place: TopicPartition) -> Link:
        """A link of the partition's own: to open it ends whatever its owner before had under way."""
        name = f"{self.duty.group}.{place.topic}.{place.partition}"
        own = self._links[place] = await self._stack.enter_async_context(AsyncExitStack())
        link = await own.enter_async_context(opened(self._out, self.kafka, transactions=name))
        await link.producer.begin_transaction()
        return link

    async def _committed(self) -> dict[TopicPartition, Commit]:
        found = await self._admin.list_consumer_group_offsets(self.duty.group)
        mine = {place: said for place, said in found.items() if place.topic == self.duty.chunks and said.offset >= 0}
        return {place: commit_from(said.offset, said.metadata or "") for place, said in mine.items()}

    async def _commit_always(self) -> None:
        while True:
            await asyncio.sleep(COMMIT)
            await self._commit()

    async def _commit(self) -> None:
        """Tell the group how far each partition is."""
        async with self._committing:
            await self._commit_now()

    async def _commit_now(self) -> None:
        mine = self._consumer.assignment()
        lanes = {place: lane for place, lane in self.lanes.items() if place in mine}  # they may change while we wait
        fresh = {place: lane.progress.commit() for place, lane in lanes.items()}
        fresh = {place: commit for place, commit in fresh.items() if commit != lanes[place].committed}
        if not fresh:
            return
        try:
            if self.duty.transactions:
                for place in fresh:
                    fresh[place] = await self._commit_transaction(place, lanes[place])
            else:
                await self._consumer.commit({p: OffsetAndMetadata(c.offset, c.metadata) for p, c in fresh.items()})
        except (CommitFailedError, IllegalStateError):
            return  # another has the partitions now; `_share_out` will see it
        for place, commit in fresh.items():
            lanes[place].committed = commit

    async def _commit_transaction(self, place: TopicPartition, lane: Lane) -> Commit:
        """Commit what was written with the offsets that belong to it; returns what was committed."""
        async with lane.writing:
            await lane.settled()
            commit = lane.progress.commit()
            offsets = {place: OffsetAndMetadata(commit.offset, commit.metadata)}
            await lane.link.producer.send_offsets_to_transaction(offsets, self.duty.group)
            await lane.link.producer.commit_transaction()
            await lane.link.producer.begin_transaction()
        return commit

    async def _settle(self) -> None:
        """The end of a shift that went well."""
        async with asyncio.timeout(SETTLE):
            for lane in list(self.lanes.values()):  # they may change while we wait
                await lane.settled()
            await self._commit()

    async def _stay_awake(self) -> None:
        """A worker that was stopped for longer than the group waits has lost its partitions, and must write no more."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(BEAT)
            now = time.monotonic()
            if now - last > SESSION * 0.8:
                self._fail(StoodStill(f"it stood still for {now - last:.0f} s"))
            last = now

    async def _refuse(self, record: Any, error: ChunkError) -> None:
        letter = given_up(record, error, time.time())
        try:
            await (await self._letters.send_record(letter.key, letter.value, letter.headers))
        except (MessageSizeTooLargeError, RecordListTooLargeError):
            words = f"{letter.words}; its {len(letter.value or b'')} bytes are too large for the dead letter topic"
            letter = replace(letter, value=b"", words=words)
            await (await self._letters.send_record(letter.key, letter.value, letter.headers))
        log.warning("%s, partition %d, offset %d: %s", record.topic, record.partition, record.offset, error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        for lane in self.lanes.values():
            lane.revoked = True
        self._ending.set()


def _member(group: str, arguments: dict[str, Any]) -> AIOKafkaConsumer:
    """A consumer of the group, whose offsets we commit ourselves."""
    return AIOKafkaConsumer(
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=round(SESSION * 1000),
        heartbeat_interval_ms=round(SESSION * 200),
        max_partition_fetch_bytes=FETCH,
        partition_assignment_strategy=(StickyPartitionAssignor,),
        metadata_max_age_ms=30_000,
        **arguments,
    )
