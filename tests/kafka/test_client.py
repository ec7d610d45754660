"""The client: valid events, each once, from where the group was."""

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import given, settings
from hypothesis import strategies as st

from ebmc_core.modality import MODALITIES, Modality
from stream.client import Repeats, SentimentEvents
from stream.errors import EventError, SinkError, SourceError
from stream.event import SentimentEvent
from stream.event_json import event_from_dict, event_from_json
from stream.kafka.message import Message, message_from
from stream.kafka.options import KafkaSettings
from tests.kafka.broker import Broker, free_ports
from tests.kafka.reading import some_events
from tests.stream.events import event

Options = Callable[..., KafkaSettings]


def messages(events: Sequence[SentimentEvent], run: str = "run") -> list[Message]:
    return [message_from(each, run, 1e9) for each in events]


def raw(value: bytes | None) -> Message:
    return Message(b"cam-0", value, (), 10**12)  # pyright: ignore[reportArgumentType]


async def put(broker: Broker, topic: str, sent: Sequence[Message]) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for each in sent:
            await producer.send(topic, each.value, each.key, headers=list(each.headers))


async def take(events: SentimentEvents, count: int) -> list[SentimentEvent]:
    taken: list[SentimentEvent] = []
    async with asyncio.timeout(60), events:
        async for each in events:
            taken.append(each)
            if len(taken) == count:
                break
    return taken


def test_events_come_back_as_they_were_and_each_once(broker: Broker, topic: str, options: Options) -> None:
    sent = some_events(12, streams=2)
    written = messages(sent)

    async def scenario() -> SentimentEvents:
        await put(broker, topic, [*written[:6], *written[2:6], *written[6:]])
        events = SentimentEvents(broker.bootstrap, topic, start="earliest", settings=options())
        taken = await take(events, 12)
        for stream in ("cam-0", "cam-1"):
            mine = [each for each in sent if each.window.stream == stream]
            assert [each for each in taken if each.window.stream == stream] == mine
        return events

    events = asyncio.run(scenario())
    assert (events.received, events.repeats, events.invalid) == (16, 4, 0)


def test_another_run_of_a_stream_is_not_a_repeat(broker: Broker, topic: str, options: Options) -> None:
    async def scenario() -> int:
        await put(broker, topic, [*messages(some_events(3, 1), "monday"), *messages(some_events(3, 1), "tuesday")])
        return len(await take(SentimentEvents(broker.bootstrap, topic, start="earliest", settings=options()), 6))

    assert asyncio.run(scenario()) == 6


def test_what_is_not_an_event_is_skipped_counted_and_said_once(
    broker: Broker, topic: str, options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    good = event(0, stream="cam-0")
    broken = good.as_dict() | {"faces": -1}
    foreign = good.as_dict() | {"event_id": "cam-0/000009/0123"}
    wrong = [b"", None, b"\xff\x00", b"[]", b'"text"', b"{}", b"[" * 10**5, json.dumps(broken).encode()]
    wrong += [json.dumps(foreign).encode(), json.dumps(good.as_dict() | {"schema": "ebmc.sentiment/2"}).encode()]

    async def scenario() -> SentimentEvents:
        await put(broker, topic, [*(raw(value) for value in wrong), *messages([good])])
        events = SentimentEvents(broker.bootstrap, topic, start="earliest", settings=options())
        assert await take(events, 1) == [good]
        return events

    events = asyncio.run(scenario())
    assert events.invalid == len(wrong)
    (said,) = (record.getMessage() for record in caplog.records if record.name == "stream.client")
    assert "skipped" in said


def test_a_group_goes_on_where_it_was(broker: Broker, topic: str, options: Options) -> None:
    async def scenario() -> list[int]:
        await put(broker, topic, messages(some_events(10, 1)))
        taken: list[int] = []
        for count in (4, 7):
            events = SentimentEvents(broker.bootstrap, topic, group=f"{topic}-group", settings=options())
            taken += [each.window.index for each in await take(events, count)]
        return taken

    # the fourth was in hand when the first consumer left: nobody said that it was had
    assert asyncio.run(scenario()) == [0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9]


def test_a_loop_that_is_left_without_a_block_closes_too(broker: Broker, topic: str, options: Options) -> None:
    async def scenario() -> None:
        await put(broker, topic, messages(some_events(2, 1)))
        async for each in SentimentEvents(broker.bootstrap, topic, start="earliest", settings=options()):
            assert each.window.index == 0
            break
        async with asyncio.timeout(30):  # the loop closes what was left; an unclosed connection would fail the test
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_no_broker_is_one_line(options: Options, broker: Broker) -> None:
    where = f"127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(SourceError, match=r"cannot be reached \(Connect call failed|cannot be reached \(Connection"):
        asyncio.run(take(SentimentEvents(where, "topic", settings=options()), 1))
    with pytest.raises(SinkError, match="HOST:PORT"):
        SentimentEvents("localhost", "topic", settings=options())


@settings(deadline=None)
@given(
    st.integers(0, 10**6),
    st.frozensets(st.sampled_from(MODALITIES)),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40),
    st.sampled_from(["cam-1", "ünïcode", "x/y"]),
)
def test_reading_undoes_writing(index: int, present: frozenset[Modality], said: str, stream: str) -> None:
    sent = event(index, present, said, stream=stream)
    assert event_from_json(sent.as_json()) == event_from_json(message_from(sent, "run", 1.0).value) == sent


def test_a_reader_ignores_what_it_does_not_know() -> None:
    found = json.loads(event().as_json())
    found["speaker"] = "someone"
    found["trust"]["gaze"] = 0.0
    found["modalities"]["gaze"] = {"state": "missing", "quality": 0, "score": None, "age": 1.0}
    found["sentiment"]["arousal"] = 0.5
    found["engine"]["device"] = "x"
    for optional in (found, found["transcript"]):
        optional.pop("face", None)
        optional.pop("words", None)
    assert event_from_dict(found) == event()
    with pytest.raises(EventError, match="sentiment"):
        event_from_dict(found | {"sentiment": {}})


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30))), st.integers(1, 8), st.integers(1, 3))
def test_repeats_remember_the_newest_ids_in_bounded_memory(
    seen: list[tuple[str, int]], most: int, streams: int
) -> None:
    repeats = Repeats(most, streams)
    newest: list[str] = []
    for _, number in seen:
        event_id = str(number)
        assert repeats.again("", "s", event_id) == (event_id in newest[-most:])
        if event_id in newest:
            newest.remove(event_id)
        newest.append(event_id)


def test_repeats_forget_the_stream_that_was_silent_for_longest() -> None:
    repeats = Repeats(streams=2)
    for stream in ("a", "b", "a", "c"):
        repeats.again("", stream, "1")
    assert [repeats.again("", stream, "1") for stream in ("a", "c", "b")] == [True, True, False]
