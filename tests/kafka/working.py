"""Chunks of real media on a topic, and workers as processes of their own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from ebmc_core.modality import Modality
from stream.chunks.chunk import Chunk
from stream.chunks.encoding import encoded
from stream.chunks.letters import dead_letter_topic
from stream.records import Frame
from tests.kafka.reading import Record, read

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})


def looped(frames: Sequence[Frame], seconds: float, begin: float = 0.0) -> list[Frame]:
    """The frames of a clip from `begin` on, again and again, up to so many seconds of event time."""
    length, found, shift = int(max(frame.end for frame in frames)), list[Frame](), -begin
    while shift < seconds:
        moved = (replace(frame, pts=round(frame.pts + shift, 6)) for frame in frames if frame.pts < length)
        found += [frame for frame in moved if 0.0 <= frame.pts < seconds]
        shift += length
    return found


def cut(frames: Sequence[Frame], stream: str, run: str = "run") -> list[Chunk]:
    """Chunks of one second."""
    seconds = int(max(frame.pts for frame in frames)) + 1
    inside: dict[int, list[Frame]] = defaultdict(list)
    for frame in frames:
        inside[int(frame.pts)].append(frame)
    return [
        Chunk(stream, run, n, BOTH, float(n), n + 1.0, encoded(inside[n]), last=n == seconds - 1)
        for n in range(seconds)
    ]


async def make_topics(bootstrap: str, *topics: str, partitions: int = 4, **settings: str) -> None:
    """settings: of the topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings) for topic in topics])
    finally:
        await admin.close()


async def send(bootstrap: str, topic: str, chunks: Iterable[Chunk], pace: float = 0.0, spread: bool = True) -> None:
    """Chunks in the order given; the streams are spread over the partitions. pace: seconds from one
    chunk of a stream to the next."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2**24)
    await producer.start()
    try:
        places: dict[str, int] = {}
        count = len(await producer.partitions_for(topic))
        begin = time.monotonic()
        for chunk in chunks:
            await asyncio.sleep(max(0.0, begin + pace * chunk.sequence - time.monotonic()))
            place = places.setdefault(chunk.stream, len(places) % count) if spread else None
            key = chunk.stream.encode()
            await producer.send_and_wait(topic, chunk.media, key, place, headers=list(chunk.headers))
    finally:
        await producer.stop()


async def send_raw(
    bootstrap: str, topic: str, records: Iterable[tuple[str, bytes | None, bytes | None, list[tuple[str, bytes]]]]
) -> None:
    """Any records, to the first partition."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2**24)
    await producer.start()
    try:
        for _, key, value, headers in records:
            await producer.send_and_wait(topic, value, key, 0, headers=headers)
    finally:
        await producer.stop()


class WorkerProcess:
    """`ebmc worker`, in a process of its own."""

    def __init__(self, bootstrap: str, chunks: str, events: str, log: Path, *more: str) -> None:
        command = [sys.executable, "-m", "stream.cli", "worker", "--brokers", bootstrap, "--in", chunks]
        self._log = log.open("a")
        self.process = subprocess.Popen(
            [*command, "--out", events, "--stats", "--log-level", "info", *more],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "EBMC_ASR": "none"} if "--asr" not in more else os.environ,
        )
        self.log = log

    def kill(self) -> None:
        """As if the power failed."""
        self.process.kill()
        self.process.wait(10)
        self._log.close()

    def stop(self) -> int:
        """As Ctrl-C does; the exit code."""
        self.process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(60)
        code = self.process.poll()
        self.kill()
        return -1 if code is None else code


def wait_for_windows(bootstrap: str, topic: str, expected: int, seconds: float) -> list[Record]:
    """What is on a topic, once it holds so many different windows; or what there is when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        found = read(bootstrap, topic)
        if len({(r.key, json.loads(r.value)["event_id"]) for r in found}) >= expected or time.monotonic() > deadline:
            return found
        time.sleep(1.0)


def events_of(records: Iterable[Record]) -> dict[str, list[dict[str, Any]]]:
    """The events of each stream in the order of the topic, without repeats."""
    seen: set[str] = set()
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        event = json.loads(record.value)
        if event["event_id"] not in seen:
            seen.add(event["event_id"])
            found[event["stream"]].append(event)
    return dict(found)


def letters(bootstrap: str, topic: str) -> list[Record]:
    """The dead letters of a topic."""
    return read(bootstrap, dead_letter_topic(topic))


async def committed(bootstrap: str, topic: str) -> list[bytes]:
    """The values on the first partition that has any, as a consumer sees them that reads only what is committed."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        found: list[bytes] = []
        while batches := await consumer.getmany(timeout_ms=3000):
            found += [record.value for batch in batches.values() for record in batch]
        return found
    finally:
        await consumer.stop()
