"""Faults of the brokers, one by one, on librdkafka's mock cluster: no crash, no loss, order kept, said at most once.

The mock cluster takes no idempotent batches twice as Apache Kafka would, so order is told after dropping repeats.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream.kafka.consuming import close_consumer
from stream.kafka.options import KafkaSettings
from stream.metrics import Metrics
from stream.sinks.kafka import KafkaSink
from tests.kafka.mock_cluster import FETCH, METADATA, Fault, MockCluster, mock_cluster
from tests.kafka.reading import expected, first_times, records, some_events

EVENTS, PACE = 120, 0.01  # seconds between two events
PATIENCE = 3.0  # seconds for which a machine may stall, and it is not taken for an outage
Happening = Callable[[MockCluster, str], Awaitable[None] | None]


@pytest.fixture
def cluster() -> Iterator[MockCluster]:
    with mock_cluster() as running:
        yield running


@dataclass
class Outcome:
    """What came of a run: the windows per stream, what was dropped, what was said."""

    windows: dict[str, list[int]]
    said: list[str]
    metrics: Metrics = field(default_factory=Metrics)


@dataclass
class Run:
    """A run of `EVENTS` events against a cluster; in the middle something happens."""

    cluster: MockCluster
    topic: str
    settings: KafkaSettings
    caplog: pytest.LogCaptureFixture

    def __call__(self, happening: Happening, after: Happening | None = None, wait: float = 0.0) -> Outcome:
        """after: what happens once all events are sent and `wait` seconds are over."""
        self.cluster.make_topic(self.topic)
        metrics = Metrics()
        sink = KafkaSink(f"//{self.cluster.bootstrap}/{self.topic}", self.settings)
        sink.report_to(metrics)

        async def scenario() -> Outcome:
            async with sink:
                for place, each in enumerate(some_events(EVENTS)):
                    if place == EVENTS // 4:
                        happening(self.cluster, self.topic)
                    await sink.send(each)
                    await asyncio.sleep(PACE)
                await asyncio.sleep(wait)
                if after:
                    after(self.cluster, self.topic)
            found = first_times(await records(self.cluster.bootstrap, self.topic))
            said = [line for line in self.caplog.messages if "test-" in line]
            return Outcome(found, said, metrics)

        return asyncio.run(scenario())


@pytest.fixture
def run(cluster: MockCluster, topic: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Run:
    patient = {"patience": PATIENCE, "request_timeout": PATIENCE, "close_timeout": 60.0}
    return Run(cluster, topic, KafkaSettings(spill=tmp_path, create=False, **patient), caplog)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault.TIMED_OUT] * 3,
        [Fault.NOT_LEADER] * 3,
        [Fault.NOT_ENOUGH_REPLICAS] * 5,
        [Fault.STORAGE] * 3,
        [Fault.CONNECTION_BREAKS] * 3,
        [Fault.OUT_OF_ORDER],
        [Fault.NOT_LEADER, Fault.CONNECTION_BREAKS, Fault.TIMED_OUT, Fault.OUT_OF_ORDER, Fault.STORAGE],
    ],
    ids=lambda faults: "+".join(dict.fromkeys(fault.name.lower() for fault in faults)),
)
def test_errors_that_pass_lose_nothing(run: Run, faults: list[Fault]) -> None:
    outcome = run(lambda cluster, topic: cluster.answer(faults))
    assert outcome.windows == expected(EVENTS)
    assert not outcome.metrics.summary().dropped
    assert len(outcome.said) <= 2


def test_a_slow_link_only_delays(run: Run) -> None:
    """Answers come late, but always long before the patience of the sink is at its end."""
    run.settings = run.settings.model_copy(update={"patience": 5.0, "request_timeout": 10.0})
    outcome = run(lambda cluster, topic: cluster.slow(400), lambda cluster, topic: cluster.slow(1))
    assert outcome.windows == expected(EVENTS)
    assert outcome.said == []


def test_a_leader_that_moves_is_followed(run: Run) -> None:
    def move(cluster: MockCluster, topic: str) -> None:
        cluster.lead(topic, 0, 2)
        cluster.lead(topic, 1, 3)

    outcome = run(move)
    assert outcome.windows == expected(EVENTS)
    assert outcome.said == []


@pytest.mark.parametrize("timeout", [20.0, PATIENCE], ids=["shorter-than-the-timeout", "longer-than-the-timeout"])
def test_all_brokers_down(run: Run, timeout: float) -> None:
    run.settings = run.settings.model_copy(update={"request_timeout": timeout})
    outcome = run(lambda cluster, topic: cluster.down(), lambda cluster, topic: cluster.up(), PATIENCE)
    assert outcome.windows == expected(EVENTS)
    assert not outcome.metrics.summary().dropped
    began, over = outcome.said
    assert "the brokers are away" in began
    assert "back after" in over


def test_metadata_that_fails_is_asked_for_again(run: Run) -> None:
    def fail(cluster: MockCluster, topic: str) -> None:
        cluster.answer([Fault.CONNECTION_BREAKS] * 3, METADATA)
        cluster.answer([Fault.NOT_LEADER])

    outcome = run(fail)
    assert outcome.windows == expected(EVENTS)
    assert len(outcome.said) <= 2


def test_what_is_not_authorized_is_dropped_counted_and_said_once(run: Run) -> None:
    outcome = run(lambda cluster, topic: cluster.answer([Fault.NOT_AUTHORIZED] * 4))
    dropped = outcome.metrics.summary().dropped["kafka", "not-authorized"]
    assert dropped == EVENTS - sum(len(windows) for windows in outcome.windows.values()) > 0
    assert all(windows == sorted(windows) for windows in outcome.windows.values())
    began, counted = (line for line in outcome.said if "dropped" in line)
    assert "we may not write to this topic" in began
    assert f"{dropped:.0f} not-authorized" in counted


def test_a_batch_that_is_refused_for_its_size_is_sent_one_by_one(run: Run) -> None:
    """The answer is for the whole batch; whoever was in it by chance is not lost."""
    outcome = run(lambda cluster, topic: cluster.answer([Fault.TOO_LARGE]))
    assert outcome.windows == expected(EVENTS)
    assert not outcome.metrics.summary().dropped


def test_an_event_that_is_too_large_for_us_is_dropped_alone(run: Run) -> None:
    from tests.stream.events import event

    huge = event(7, said="word " * 2000, stream="huge")
    run.settings = run.settings.model_copy(update={"max_message_bytes": 20_000})
    run.cluster.make_topic(run.topic)
    metrics, sink = Metrics(), KafkaSink(f"//{run.cluster.bootstrap}/{run.topic}", run.settings)
    sink.report_to(metrics)

    async def scenario() -> dict[str, list[int]]:
        async with sink:
            for each in [*some_events(20), huge, *some_events(20, begin=10)]:
                await sink.send(each)
        return first_times(await records(run.cluster.bootstrap, run.topic))

    assert asyncio.run(scenario()) == expected(40)
    assert metrics.summary().dropped == {("kafka", "too-large"): 1}


def test_a_consumer_can_be_closed_while_a_fetch_waits_to_be_tried_again(
    cluster: MockCluster, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The library's own close ends as if it had been cancelled, and leaves connections open."""
    cluster.make_topic(topic)

    async def scenario() -> None:
        consumer = AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap, retry_backoff_ms=60_000)
        await consumer.start()
        consumer.assign([TopicPartition(topic, 0)])
        cluster.answer([Fault.CONNECTION_BREAKS], FETCH)
        async with asyncio.timeout(60):
            while "Failed fetch" not in caplog.text:
                await consumer.getmany(timeout_ms=50)
        await close_consumer(consumer)

    asyncio.run(scenario())
    gc.collect()  # a connection that is open fails the test
