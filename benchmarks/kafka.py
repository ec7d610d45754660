"""How fast the Kafka sink is, and what it costs a stream.

    python -m benchmarks.kafka [--brokers HOST:PORT] [--rate 5000] [--seconds 10] [--rounds 3] [--warmup 45]
    python -m benchmarks.kafka --overhead [--rounds 5] [--seconds 20]

Without --brokers it starts Apache Kafka here, with the options of Java that Kafka's own start script has. Open loop:
events of 16 streams are due at even moments, and an acknowledgement counts from the moment its event was due. Each
round runs the plain library (`aiokafka`, the same bytes, the same settings, no spill) and then the sink; figures are
medians over the rounds, in milliseconds. The brokers are warmed up at the same rate first: a Java machine compiles what
it does often, for half a minute and more.

--overhead: a live stream, from memory, with and without the sink, in turns; see `benchmarks/kafka_overhead.py`.
"""

import argparse
import asyncio
import gc
import json
import random
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

from benchmarks.kafka_overhead import overhead
from stream.event import SentimentEvent
from stream.kafka.link import BATCH
from stream.kafka.message import message_from
from stream.kafka.options import KafkaSettings
from stream.metrics import Metrics
from stream.settings import load_settings
from stream.sinks.kafka import KafkaSink
from tests.kafka.broker import SERVING, kafka_jars, own_kafka
from tests.stream.events import event

STREAMS = 16
DIFFERENT = 4000  # events that differ; they come again and again
TICK = 0.001  # seconds; what is due sooner is sent at once with what is due now
SAID = (
    "and so my fellow americans ask not what your country can do for you ask what you can do for your country".split()
)
Figures = dict[str, float]
Handed = dict[int, float]  # Unix milliseconds in which events were handed over, to how late the latest of them was


class Times(Metrics):
    """Meters that keep every time, where those of the program sort them into buckets."""

    def __init__(self) -> None:
        super().__init__()
        self.acknowledged: list[tuple[float, float]] = []  # when, Unix seconds, and how long after it was handed over

    def stage(self, name: str, seconds: float) -> None:
        """Record one."""
        self.acknowledged.append((time.time(), seconds))


def different(count: int) -> list[SentimentEvent]:
    """Events as a pipeline gives them: no two say the same, and most say something."""
    dice = random.Random(5)
    found: list[SentimentEvent] = []
    for place in range(count):
        low, high = sorted((dice.random(), dice.random()))
        said = " ".join(dice.choice(SAID) for _ in range(dice.randrange(len(SAID))))
        probabilities = (low, high - low, 1.0 - high)
        found.append(event(place // STREAMS, said=said, stream=f"cam-{place % STREAMS}", probabilities=probabilities))
    return found


async def paced(
    events: list[SentimentEvent], count: int, rate: float, send: Callable[[SentimentEvent], Awaitable[None]]
) -> tuple[Figures, Handed]:
    """Send when each is due, however late those before were; how well the rate was kept, and the processor's time."""
    begin, used, longest, handed = time.perf_counter(), _cpu(), 0.0, Handed()
    for place in range(count):
        ahead = begin + place / rate - time.perf_counter()
        if ahead > TICK:
            await asyncio.sleep(ahead)
        start = time.perf_counter()
        moment = round(time.time() * 1000)
        await send(events[place % len(events)])
        handed[moment] = max(handed.get(moment, 0.0), start - begin - place / rate)
        longest = max(longest, time.perf_counter() - start)
    seconds = time.perf_counter() - begin
    cpu = (_cpu() - used) / seconds
    late = max(handed.values()) * 1000
    return {"events_per_s": count / seconds, "cpu": cpu, "longest_send_ms": longest * 1000, "late_ms": late}, handed


async def sink(brokers: str, topic: str, events: list[SentimentEvent], count: int, rate: float) -> Figures:
    """Through the sink, as `--sink kafka://` opens it."""
    times = Times()
    with tempfile.TemporaryDirectory() as spill:
        through = KafkaSink(f"//{brokers}/{topic}", KafkaSettings(spill=Path(spill), close_timeout=60))
        through.report_to(times)
        async with through:
            figures, handed = await paced(events, count, rate, through.send)
    return figures | acks(times.acknowledged, handed)


async def plain(brokers: str, topic: str, events: list[SentimentEvent], count: int, rate: float) -> Figures:
    """Through the library alone."""
    settings, times = KafkaSettings(), Times()
    producer = AIOKafkaProducer(
        bootstrap_servers=brokers,
        acks="all",
        enable_idempotence=True,
        linger_ms=settings.linger_ms,
        compression_type=None if settings.compression == "none" else settings.compression,
        max_batch_size=BATCH,
    )

    async def send(each: SentimentEvent) -> None:
        message = message_from(each, "bench", made := time.time())
        future = await producer.send(topic, message.value, message.key, headers=list(message.headers))
        future.add_done_callback(lambda _: times.stage("kafka", time.time() - made))

    async with producer:
        figures, handed = await paced(events, count, rate, send)
    return figures | acks(times.acknowledged, handed)


def acks(acknowledged: list[tuple[float, float]], handed: Handed) -> Figures:
    """From when an event was due to its acknowledgement.

    How late the event itself was handed over is not known, only its millisecond: the latest of that and of those beside
    it counts.
    """
    found: list[float] = []
    for now, seconds in acknowledged:
        moment = round((now - seconds) * 1000)
        late = max(handed.get(moment + beside, 0.0) for beside in (-1, 0, 1))
        found.append((seconds + max(0.0, late)) * 1000)
    p50, p95, p99, most = np.percentile(np.array(found), (50, 95, 99, 100))
    return {"acknowledged": len(found), "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "most_ms": most}


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
    with tempfile.TemporaryDirectory() as folder, own_kafka(jars, Path(folder), SERVING) as broker:
        yield broker.bootstrap


def throughput(told: argparse.Namespace, brokers: str) -> None:
    """One line of JSON for each way."""
    events, count = different(DIFFERENT), round(told.rate * told.seconds)
    gc.collect()
    gc.freeze()  # these events are the benchmark's, not the sink's: the collector need not look through them
    ways, found = {"aiokafka": plain, "sink": sink}, dict[str, list[Figures]]()
    topic, warming = f"bench-{time.time_ns()}", round(told.rate * told.warmup)
    asyncio.run(sink(brokers, topic, events, max(1, warming), told.rate))  # makes the topic, too
    for _ in range(told.rounds):
        for name, way in ways.items():
            found.setdefault(name, []).append(asyncio.run(way(brokers, topic, events, count, told.rate)))
            say({"way": name, **{key: round(value, 2) for key, value in found[name][-1].items()}})
    size = sum(len(message_from(each, "bench", 0.0).value) for each in events) / len(events)
    for name, rounds in found.items():
        medians = {key: round(median(each[key] for each in rounds), 2) for key in rounds[0]}
        say({"medians": name, "rounds": len(rounds), "bytes": round(size), **medians})


def say(line: dict[str, object]) -> None:
    """At once, for whoever waits."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", help="HOST:PORT; without it Apache Kafka is started here")
    parser.add_argument("--rate", type=float, default=5000.0, help="events a second")
    parser.add_argument("--seconds", type=float, help="of a measurement; 10, with --overhead 20")
    parser.add_argument("--rounds", type=int, help="3, with --overhead 5")
    parser.add_argument("--warmup", type=float, default=45.0, help="seconds")
    parser.add_argument("--overhead", action="store_true", help="what the sink costs a live stream")
    parser.add_argument("--asr", default="none", help="recogniser of that stream")
    told = parser.parse_args()
    told.seconds = told.seconds or (20.0 if told.overhead else 10.0)
    told.rounds = told.rounds or (5 if told.overhead else 3)
    with cluster(told.brokers) as brokers:
        if told.overhead:
            overhead(brokers, told.seconds, told.rounds, told.asr, say)
        else:
            throughput(told, brokers)


if __name__ == "__main__":
    main()
