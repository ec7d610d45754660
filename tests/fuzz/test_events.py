"""Events as a client reads them, in JSON and in Avro: an event of the schema, or one clear refusal."""

import asyncio
import io
import json
import socketserver
import struct
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from stream.client import SentimentEvents
from stream.errors import EventError, SettingsError
from stream.event_json import event_from_dict, event_from_json
from stream.kafka.encoding import avro_schema, decode_avro
from stream.kafka.message import message_from
from stream.kafka.options import KafkaSettings
from stream.kafka.registry import Registry
from tests.fuzz.hostile import NUMBERS, changed, headers_like, json_texts, mutated, texts
from tests.fuzz.profile import fuzzed, taken
from tests.stream.events import event

SENT = event(12, said="so far so good")
PLAIN = json.loads(SENT.as_json())
PLAIN["face"] = {"id": 3, "chosen": "largest", "box": [0.1, 0.2, 0.3, 0.4]}
NUMBER = 7


class Schemas(Registry):
    """A registry without a network: it knows these schemas, from the number `NUMBER` on."""

    def __init__(self, *known: str) -> None:
        super().__init__(KafkaSettings(registry="http://localhost"))
        self._known = known

    def _ask(self, path: str, sent: dict[str, str] | None = None) -> dict[str, Any]:
        number = int(path.rpartition("/")[2])
        known = number - NUMBER in range(len(self._known))
        return {"schema": self._known[number - NUMBER]} if known else {}


def avro(document: dict[str, Any], schema: str = avro_schema(), number: int = NUMBER) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(json.loads(schema)), document)
    return struct.pack(">bI", 0, number) + out.getvalue()


@fuzzed(80)
@given(json_texts(PLAIN))
def test_what_is_an_event_is_published_again_as_it_is(text: bytes) -> None:
    found = taken(lambda: event_from_json(text), EventError)
    if found and found.window.end >= 0.001:  # it is published in milliseconds
        assert event_from_json(found.as_json()).as_dict() == found.as_dict()
        assert message_from(found, "run", 1.0).value


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize(
    "place", [("window", "index"), ("window", "end"), ("faces",), ("latency", "engine_ms"), ("sentiment", "score")]
)
def test_numbers_that_are_no_numbers(place: tuple[str, ...], number: Any) -> None:
    document = json.loads(SENT.as_json())
    inner = document if len(place) == 1 else document[place[0]]
    inner[place[-1]] = number
    if place == ("window", "index"):
        document["event_id"] = f"s/{number:06d}/0123" if isinstance(number, int) else f"s/{number}/0123"
    found = taken(lambda: event_from_dict(document), EventError)
    if found and found.window.end >= 0.001:
        assert event_from_json(found.as_json()).as_dict() == found.as_dict()


@fuzzed(50)
@given(mutated(avro(PLAIN)))
def test_damaged_avro_is_refused(value: bytes) -> None:
    value = struct.pack(">bI", 0, NUMBER) + value[5:]
    found = taken(lambda: event_from_dict(decode_avro(value, Schemas(avro_schema()))), EventError)
    if found and found.window.end >= 0.001:
        found.as_json()


@fuzzed(50)
@given(json_texts(json.loads(avro_schema())))
def test_a_schema_of_the_registry_that_is_none(schema: bytes) -> None:
    value = avro(PLAIN)
    taken(lambda: decode_avro(value, Schemas(schema.decode("utf-8", "replace"))), EventError, SettingsError)


@dataclass
class Answering:
    """A server that answers everything with the same bytes."""

    address: str
    answer: bytes = b""
    asked: list[bytes] = field(default_factory=list[bytes])


@pytest.fixture(scope="module")
def answering() -> Generator[Answering]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline()).strip():
                here.asked.append(line)
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            self.rfile.read(length)
            self.wfile.write(here.answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        here = Answering(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()


def answer(body: bytes, head: bytes = b"HTTP/1.0 200 OK\r\n") -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


ANSWERS = st.one_of(
    json_texts({"schema": avro_schema(), "id": 7}).map(answer),
    st.sampled_from(NUMBERS).map(lambda number: answer(json.dumps({"id": number, "schema": number}).encode())),
    mutated(answer(b'{"id": 7, "schema": "int"}')),
)


@fuzzed(40)
@given(given_answer=ANSWERS)
def test_a_registry_may_answer_anything(answering: Answering, given_answer: bytes) -> None:
    answering.answer = given_answer
    registry = Registry(KafkaSettings(registry=answering.address))
    number = taken(lambda: registry.register("topic", "{}"), SettingsError)
    assert number is None or 0 <= number < 2**32
    taken(lambda: registry.schema(5), SettingsError, EventError)


def test_a_password_goes_to_no_other_server(answering: Answering) -> None:
    answering.answer = answer(b"", f"HTTP/1.0 302 Found\r\nLocation: {answering.address}/there\r\n".encode())
    answering.asked.clear()
    registry = Registry(
        KafkaSettings(registry=answering.address, registry_username="me", registry_password=SecretStr("secret"))
    )
    with pytest.raises(SettingsError, match="it answers 302"):
        registry.schema(5)
    assert [line for line in answering.asked if line.startswith(b"GET")] == [b"GET /schemas/ids/5 HTTP/1.1\r\n"]


def test_a_number_that_no_schema_has_is_no_reason_to_stop(answering: Answering) -> None:
    """Anybody who may write to the topic can write a number there."""
    answering.answer = answer(b'{"error_code": 40403}', b"HTTP/1.0 404 Not Found\r\n")
    with pytest.raises(EventError, match="its number is 9"):
        decode_avro(struct.pack(">bI", 0, 9), Registry(KafkaSettings(registry=answering.address)))


RECORDS = st.one_of(
    json_texts(PLAIN),
    mutated(avro(PLAIN)),
    st.none(),
    st.binary(max_size=9).map(lambda rest: b"\0" + rest),
)


@fuzzed(50)
@given(st.lists(st.tuples(RECORDS, headers_like(message_from(SENT, "run", 1.0).headers)), min_size=1, max_size=4))
def test_a_client_goes_on_after_whatever_it_reads(records: Any) -> None:
    client = SentimentEvents("localhost:9092", "t", settings=KafkaSettings(registry="http://localhost"))
    client._registry = Schemas(avro_schema())  # pyright: ignore[reportPrivateUsage]
    good = message_from(SENT, "a run that no other record has", 1.0)
    last = SimpleNamespace(value=good.value, headers=good.headers, partition=0, offset=9)

    async def read() -> Any:
        for value, headers in records:
            await client._accepted(SimpleNamespace(value=value, headers=headers, partition=0, offset=1))  # pyright: ignore
        return await client._accepted(last)  # pyright: ignore

    assert asyncio.run(read()) == SENT
    assert client.received == len(records) + 1


@fuzzed(20)
@given(changed(PLAIN), texts())
def test_a_name_is_told_in_one_line(document: Any, name: str) -> None:
    if isinstance(document, dict) and isinstance(document.get("trust"), dict):
        document["trust"][name] = "much"
    taken(lambda: event_from_dict(document), EventError)
