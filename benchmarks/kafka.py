"""How fast the Kafka sink is: paced events, time from `send` to the acknowledgement, beside the plain client library.

    python -m benchmarks.kafka [--brokers HOST:PORT] [--rate 5000] [--seconds 10] [--rounds 3]

Without --brokers it starts Apache Kafka here, as the tests do. Each round runs the plain library (`aiokafka`,
the same bytes, the same settings, no spill) and then the sink; figures are medians over the rounds, in milliseconds.
"""

import argparse
import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
from aiokafka import AIOKafkaProducer

from stream.event import SentimentEvent
from stream.kafka.link import BATCH
from stream.kafka.message import message_from
from stream.kafka.options import KafkaSettings
from stream.metrics import Metrics
from stream.settings import load_settings
from stream.sinks.kafka import KafkaSink
from tests.kafka.broker import kafka_jars, own_kafka
from tests.stream.events import event

STREAMS = 16
SAID = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
Figures = dict[str, float]


class Times(Metrics):
    """Meters that keep every time, where those of the program sort them into buckets."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def stage(self, name: str, seconds: float) -> None:
        """Record one."""
        self.seconds.append(seconds)


async def paced(
    events: list[SentimentEvent], rate: float, send: Callable[[SentimentEvent], Awaitable[None]]
) -> Figures:
    """Send at a steady rate; how well it was kept, and how much processor time it took."""
    begin, used, longest = time.perf_counter(), _cpu(), 0.0
    for place, each in enumerate(events):
        ahead = begin + place / rate - time.perf_counter()
        if ahead > 0.002:
            await asyncio.sleep(ahead)
        start = time.perf_counter()
        await send(each)
        longest = max(longest, time.perf_counter() - start)
    seconds = time.perf_counter() - begin
    return {"events_per_s": len(events) / seconds, "cpu": (_cpu() - used) / seconds, "longest_send_ms": longest * 1000}


async def sink(brokers: str, topic: str, events: list[SentimentEvent], rate: float) -> tuple[Figures, list[float]]:
    """Through the sink."""
    times = Times()
    with tempfile.TemporaryDirectory() as spill:
        through = KafkaSink(f"//{brokers}/{topic}", KafkaSettings(spill=Path(spill), close_timeout=60))
        through.report_to(times)
        async with through:
            figures = await paced(events, rate, through.send)
    return figures, times.seconds


async def plain(brokers: str, topic: str, events: list[SentimentEvent], rate: float) -> tuple[Figures, list[float]]:
    """Through the library alone."""
    settings, seconds = KafkaSettings(), list[float]()
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers,
        acks="all",
        enable_idempotence=True,
        linger_ms=settings.linger_ms,
        compression_type=settings.compression,
        max_batch_size=BATCH,
    )

    async def send(each: SentimentEvent) -> None:
        made = time.time()
        message = message_from(each, "bench", made)
        future = await producer.send(topic, message.value, message.key, headers=list(message.headers))
        future.add_done_callback(lambda _: seconds.append(time.time() - made))

    async with producer:
        figures = await paced(events, rate, send)
    return figures, seconds


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def cluster(given: str | None) -> Iterator[str]:
    """Where the brokers are."""
    if given:
        yield given
        return
    jars = kafka_jars(load_settings().cache)
    if isinstance(jars, str):
        sys.exit(f"no Apache Kafka: {jars}; or give --brokers")
    with tempfile.TemporaryDirectory() as folder, own_kafka(jars, Path(folder)) as broker:
        yield broker.bootstrap


def main() -> None:
    """Print one line of JSON for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers")
    parser.add_argument("--rate", type=float, default=5000.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    told = parser.parse_args()
    count = round(told.rate * told.seconds)
    events = [event(place // STREAMS, said=SAID, stream=f"cam-{place % STREAMS}") for place in range(count)]
    gc.freeze()  # these events are the benchmark's, not the sink's: the collector need not look through them
    ways, found = {"aiokafka": plain, "sink": sink}, dict[str, list[Figures]]()
    with cluster(told.brokers) as brokers:
        topic = f"bench-{time.time_ns()}"
        asyncio.run(sink(brokers, topic, events[:2000], told.rate))  # makes the topic, warms the broker up
        for _ in range(told.rounds):
            for name, way in ways.items():
                figures, seconds = asyncio.run(way(brokers, topic, events, told.rate))
                p50, p95, p99 = np.percentile(np.array(seconds) * 1000, (50, 95, 99))
                acks = {"acknowledged": len(seconds), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}
                found.setdefault(name, []).append(figures | acks)
    for name, rounds in found.items():
        medians = {key: round(median(each[key] for each in rounds), 2) for key in rounds[0]}
        sys.stdout.write(
            json.dumps({"way": name, "bytes": len(message_from(events[0], "bench", time.time()).value), **medians})
            + "\n"
        )


if __name__ == "__main__":
    main()
