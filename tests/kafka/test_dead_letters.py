"""Dead letters on a real broker: what is written comes back, is listed whatever it is, and goes back to its topic."""

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from ebmc_core.modality import Modality
from stream.chunks.choice import Choice
from stream.chunks.chunk import Chunk, ChunkError, chunk_from
from stream.chunks.dead_topic import opened
from stream.chunks.letters import OURS, DeadLetter, attempt_of, dead_letter_topic, given_up, letter_from
from stream.chunks.replay import Replayer
from stream.cli import app
from stream.errors import SinkError, SourceError
from stream.kafka.message import Headers
from stream.kafka.options import KafkaSettings
from tests.kafka.broker import ApacheKafka, Broker, free_ports
from tests.kafka.reading import make_topics, read

Put = tuple[int, bytes | None, bytes | None, Headers]  # partition, key, value, headers
MOMENT = 1_777_000_000.25


def chunk(sequence: int = 0, stream: str = "cam-1", run: str = "monday") -> Chunk:
    return Chunk(stream, run, sequence, frozenset({Modality.AUDIO}), sequence * 1.0, sequence + 1.0, b"\x00media\xff")


def letter(topic: str, offset: int = 0, cause: str = "decode", stream: str = "cam-1", attempt: int = 1) -> DeadLetter:
    one = chunk(offset, stream)
    words = "the media cannot be decoded"
    return DeadLetter(topic, 0, offset, stream.encode(), one.media, one.headers, cause, words, attempt, MOMENT)


def record(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> ConsumerRecord[Any, Any]:
    return ConsumerRecord("t.dlq", 1, 7, 5000, 0, key, value, None, 0, 0, tuple(headers))


def put(each: DeadLetter, partition: int = 0) -> Put:
    return partition, each.key, each.value, each.headers


def fill(broker: Broker, topic: str, records: Iterable[Put], **configs: str) -> None:
    """Make the topic, configured so, and the one for its dead letters, and put records on the second."""
    dead = dead_letter_topic(topic)
    make_topics(broker, topic, **configs)
    make_topics(broker, dead)

    async def scenario() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for partition, key, value, headers in records:
                await producer.send_and_wait(dead, value, key, partition=partition, headers=list(headers))

    asyncio.run(scenario())


@pytest.fixture
def dlq(broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command, on the topic of the test."""
    monkeypatch.setenv("EBMC_KAFKA_IDEMPOTENT", str(broker.idempotent))
    monkeypatch.setenv("COLUMNS", "160")

    def call(verb: str, *words: str, topic: str = topic, brokers: str = broker.bootstrap) -> Result:
        return CliRunner().invoke(app, ["dlq", verb, "--brokers", brokers, "--topic", topic, *words])

    return call


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def places(result: Result) -> list[tuple[int, int]]:
    return [(row["partition"], row["offset"]) for row in rows(result)]


def test_a_letter_is_the_record_and_why() -> None:
    there = record(b"cam-1", b"\x00", [*chunk().headers, ("dlq_attempt", b"2"), ("dlq_cause", b"before")])
    written = given_up(there, ChunkError("decode", "two\nlines"), MOMENT)
    read_back = letter_from(record(written.key, written.value, written.headers))
    assert read_back == replace(written, original=chunk().headers, words="two lines")
    assert (written.topic, written.partition, written.offset, written.attempt) == ("t.dlq", 1, 7, 3)
    assert [name for name, _ in written.headers].count("dlq_attempt") == 1
    assert dict(written.headers)["dlq_cause"] == b"decode"


ANY = st.lists(st.tuples(st.text(max_size=8) | st.sampled_from([*OURS, "ebmc_run"]), st.none() | st.binary()))


@settings(deadline=None)
@given(ANY, st.none() | st.binary(), st.none() | st.binary(), st.text(), st.text(), st.integers(1, 999))
def test_whatever_was_given_up_comes_back(
    headers: Any, key: bytes | None, value: bytes | None, cause: str, words: str, attempt: int
) -> None:
    written = DeadLetter("t", 3, 2**40, key, value, tuple(headers), cause, words, attempt, MOMENT)
    found = letter_from(record(key, value, written.headers))
    assert found
    assert found.original == tuple((name, held) for name, held in headers if name not in OURS)
    assert (found.topic, found.partition, found.offset) == ("t", 3, 2**40)
    assert (found.key, found.value, found.attempt, found.moment) == (key, value, attempt, MOMENT)
    assert found.words.isprintable() and len(found.words) <= 1000
    assert found.headers == written.headers
    assert attempt_of(found.again) == attempt


@settings(deadline=None)
@given(ANY)
def test_nonsense_is_no_letter_or_one(headers: Any) -> None:
    found = letter_from(record(None, None, headers))
    assert found is None or {"dlq_topic", "dlq_partition", "dlq_offset", "dlq_cause"} <= dict(headers).keys()


@pytest.mark.parametrize(
    ("said", "meant"), [(b"3", 3), (b"-1", 0), (b"1_0", 0), (b"", 0), (None, 0), (b"9" * 18, 999), (b"9" * 5000, 0)]
)
def test_attempts_are_counted_within_bounds(said: bytes | None, meant: int) -> None:
    assert attempt_of([("dlq_attempt", said)]) == meant  # pyright: ignore[reportArgumentType]
    assert attempt_of([]) == 0


def test_a_topic_has_one_for_its_dead_letters_if_the_name_allows() -> None:
    assert dead_letter_topic("a" * 245) == "a" * 245 + ".dlq"
    for name in ("a" * 246, "", "white space"):
        with pytest.raises(SinkError):
            dead_letter_topic(name) if name else dead_letter_topic("/")


def test_letters_are_listed(broker: Broker, topic: str, dlq: Callable[..., Result]) -> None:
    fill(broker, topic, [put(letter(topic, 5)), put(letter(topic, 9, "schema", "[red]käm", attempt=2), 1)])
    first, second = rows(dlq("list", "--json"))
    assert first == {
        "letter": True,
        "partition": 0,
        "offset": 0,
        "stream": "cam-1",
        "run": "monday",
        "start": 5.0,
        "end": 6.0,
        "cause": "decode",
        "words": "the media cannot be decoded",
        "attempt": 1,
        "size": 7,
        "moment": MOMENT,
        "topic": topic,
        "from_partition": 0,
        "from_offset": 5,
    }
    assert (second["partition"], second["stream"], second["attempt"]) == (1, "[red]käm", 2)
    assert rows(dlq("list", "--json", topic=f"{topic}.dlq")) == [first, second]
    table = dlq("list").stdout
    for cell in ("0:0", "1:0", "cam-1", "[red]käm", "monday", "5-6", "schema", "cannot be decoded", "2026-04-24 03:06"):
        assert cell in table


def test_a_letter_goes_back_once_in_a_run_of_its_own(broker: Broker, topic: str, dlq: Callable[..., Result]) -> None:
    again = letter(topic, 4, attempt=2)
    again = replace(again, original=(("ebmc_run", b"monday.replay-1"), *again.original[4:]))
    bare = replace(given_up(record(None, None, ()), ChunkError("headers", "not a chunk"), MOMENT), topic=topic)
    letters = [letter(topic, 0), letter(topic, 1), bare, again]
    fill(broker, topic, [*map(put, letters), (1, b"k", b"v", (("dlq_cause", b"x"),))])
    dry = dlq("replay", "--dry-run")
    assert "would replay 4 letters" in dry.stdout and "0:3" in dry.stdout
    assert read(broker.bootstrap, topic) == [], "a dry run sends nothing"

    first = dlq("replay")
    assert first.exit_code == 0, first.output
    passed = "1 passed over that are not dead letters"
    assert first.stdout == f"replayed 4 letters to {topic}; {passed}; done up to 0:4, 1:1\n"
    found = read(broker.bootstrap, topic)
    assert len(found) == 4
    chunks = [each for each in found if each.key]
    for sent, was in zip(chunks, [letters[0], letters[1], again], strict=True):
        run = b"monday.replay-2" if was is again else b"monday.replay-1"
        expected = [(name, run if name == "ebmc_run" else value) for name, value in was.original]
        assert list(sent.headers) == [*expected, ("dlq_attempt", str(was.attempt).encode())]
        assert (sent.key, sent.value) == (was.key, was.value)
    assert chunk_from(chunks[0].key, chunks[0].value, chunks[0].headers) == replace(chunk(0), run="monday.replay-1")
    (nothing,) = (each for each in found if each.key is None)
    assert (nothing.value, list(nothing.headers)) == (b"", [("dlq_attempt", b"1")])

    second = dlq("replay")
    assert (second.exit_code, second.stdout) == (0, f"nothing to replay to {topic}\n")
    assert len(read(broker.bootstrap, topic)) == 4
    assert rows(dlq("list", "--json")) == []
    assert len(rows(dlq("list", "--json", "--all"))) == 5


def test_a_filter_replays_some_and_remembers_what_is_whole(
    broker: Broker, topic: str, dlq: Callable[..., Result]
) -> None:
    causes = ["decode", "decode", "schema", "decode"]
    fill(broker, topic, [put(letter(topic, place, cause)) for place, cause in enumerate(causes)])
    none = dlq("replay", "--stream", "cam-2")
    assert (none.exit_code, none.stdout) == (0, f"nothing to replay to {topic}; 4 letters not chosen\n")
    some = dlq("replay", "--cause", "decode", "--stream", "cam-1")
    assert some.stdout == f"replayed 3 letters to {topic}; 1 letter not chosen; done up to 0:2\n"
    assert places(dlq("list", "--json")) == [(0, 2), (0, 3)]
    single = dlq("replay", "--offset", "0:2", "--offset", "1:7")
    assert single.stdout == f"replayed 1 letter to {topic}; 1 letter not chosen; done up to 0:3\n"
    assert places(dlq("list", "--json")) == [(0, 3)]
    assert [dict(each.headers)["ebmc_sequence"] for each in read(broker.bootstrap, topic)] == [b"0", b"1", b"3", b"2"]


POISON: list[Headers] = [
    (),
    (("dlq_topic", b"\xff"), ("dlq_partition", b"0"), ("dlq_offset", b"0"), ("dlq_cause", b"x")),
    (("dlq_topic", b"elsewhere"), ("dlq_partition", b"0"), ("dlq_offset", b"0"), ("dlq_cause", b"x")),
    (("dlq_partition", b"9" * 10_000), ("dlq_offset", b"nan")),
    (("ebmc_start", b"nan"), ("ebmc_end", b"1e999"), ("ebmc_run", b"\x1b[2J\xc3\x28")),
    (("dlq_attempt", None),),  # pyright: ignore[reportAssignmentType]
]
ODD: Headers = (
    ("ebmc_run", b"\xff\xfe" * 1000),
    ("ebmc_start", b"-inf"),
    ("dlq_words", b"\x1b[31m[/red] \xff" * 20_000),
    ("dlq_cause", b"\xf0[bold]\n"),
    ("dlq_attempt", b"many"),
    ("dlq_time", b"1e300"),
    ("dlq_partition", b"4"),
    ("dlq_offset", b"5"),
)


def test_poison_is_listed_and_stops_nothing(broker: Broker, topic: str, dlq: Callable[..., Result]) -> None:
    poison = [(0, b"\xff\x1b[2J", b"", headers) for headers in POISON]
    odd: Put = (0, b"k" * 5000, None, (*ODD, ("dlq_topic", topic.encode())))
    fill(broker, topic, [*poison, odd, put(letter(topic, 3))])
    found = rows(dlq("list", "--json"))
    assert [row["letter"] for row in found] == [False] * len(POISON) + [True, True]
    assert all(row["words"] == "not a dead letter" for row in found[: len(POISON)])
    strange = found[-2]
    assert (strange["attempt"], strange["from_offset"], strange["start"]) == (0, 5, None)
    assert all(len(str(field)) <= 1000 for row in found for field in row.values())
    table = dlq("list")
    assert table.exit_code == 0, table.output
    assert "\x1b" not in table.stdout and "not a dead letter" in table.stdout
    done = dlq("replay")
    assert f"replayed 2 letters to {topic}; 6 passed over" in done.stdout, done.output
    runs = [dict(each.headers)["ebmc_run"] for each in read(broker.bootstrap, topic)]
    assert sorted(run[-9:] for run in runs) == [b".replay-0", b".replay-1"]


def test_a_letter_that_the_brokers_refuse_is_said_and_stays(
    broker: Broker, topic: str, dlq: Callable[..., Result]
) -> None:
    if not broker.idempotent:
        pytest.skip(f"needs a broker that has limits of its own; this is {broker.kind}")

    large = replace(letter(topic, 1), value=os.urandom(5000))
    fill(broker, topic, [put(letter(topic, 0)), put(large), put(letter(topic, 2))], max_message_bytes="2000")
    done = dlq("replay")
    refused = "1 letter refused by the brokers (too-large)"
    assert done.stdout == f"replayed 2 letters to {topic}; {refused}; done up to 0:1\n"
    assert done.exit_code == 2
    assert places(dlq("list", "--json")) == [(0, 1), (0, 2)]


@pytest.mark.parametrize("verb", ["list", "replay"])
def test_no_topic_no_broker_no_place_is_one_line(verb: str, topic: str, dlq: Callable[..., Result]) -> None:
    away = f"127.0.0.1:{free_ports(1)[0]}"
    for result, told in [
        (dlq(verb), f"there is no topic {topic}.dlq"),
        (dlq(verb, brokers=away), "do not answer"),
        (dlq(verb, brokers="localhost"), "HOST:PORT"),
        (dlq(verb, topic="white space"), "is no name for a topic"),
        (dlq("replay", "--offset", "7"), "PARTITION:OFFSET"),
    ]:
        assert result.exit_code == 2
        assert told in result.stderr and result.stderr.count("\n") == 1, result.stderr


def test_a_replay_that_is_broken_off_remembers_what_was_acknowledged(
    broker: Broker, topic: str, dlq: Callable[..., Result], options: Callable[..., KafkaSettings]
) -> None:
    count = 350
    fill(broker, topic, [put(letter(topic, place)) for place in range(count)])

    async def scenario() -> int:
        async with opened(broker.bootstrap, topic, options()) as dead:
            replayer = Replayer(dead, Choice())
            work = asyncio.ensure_future(replayer.send(broker.bootstrap, options()))
            async with asyncio.timeout(60):
                while not replayer.done.sent:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert (await dead.marks())[0] == replayer.done.sent
            return replayer.done.sent

    sent = asyncio.run(scenario())
    assert 0 < sent < count
    assert dlq("replay").stdout == f"replayed {count - sent} letters to {topic}; done up to 0:{count}\n"
    numbers = [int(dict(each.headers)["ebmc_sequence"]) for each in read(broker.bootstrap, topic)]
    assert sorted(set(numbers)) == list(range(count))


# the library leaves a connection behind that it was opening when the broker stood still
@pytest.mark.filterwarnings("ignore:Unclosed AIOKafkaConnection:ResourceWarning")
def test_brokers_that_hang_are_one_line(
    real: ApacheKafka, topic: str, dlq: Callable[..., Result], options: Callable[..., KafkaSettings]
) -> None:
    fill(real, topic, [put(letter(topic))])

    async def scenario() -> None:
        async with opened(real.bootstrap, topic, options(request_timeout=1.0)) as dead:
            marks = await dead.marks()
            real.pause()
            async for _ in dead.batches(marks):
                pass

    try:
        with pytest.raises(SourceError, match="do not answer"):
            asyncio.run(scenario())
        gc.collect()  # here, and not in a test that comes later
    finally:
        real.resume()
    assert len(rows(dlq("list", "--json"))) == 1


def test_interrupted_it_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes the connection, and never answers
        server.settimeout(60)
        where = f"127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-m", "stream.cli", "dlq", "list", "--brokers", where, "--topic", "chunks"]
        # a shell's background job ignores Ctrl-C and hands that on; a user's program does not
        default = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=default
        ) as process:
            taken, _ = server.accept()
            with taken:
                taken.settimeout(60)
                assert taken.recv(1), "it has asked"
                process.send_signal(signal.SIGINT)
                out, said = process.communicate(timeout=60)
    assert (process.returncode, out, said) == (130, "", "ebmc: interrupted\n")
