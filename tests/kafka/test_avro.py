"""Avro with a schema registry: a small one on this machine that answers as Confluent's does."""

import asyncio
import http.server
import io
import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

from ebmc_core.modality import MODALITIES, Modality
from stream.client import SentimentEvents
from stream.errors import EventError, SettingsError
from stream.event_json import event_from_dict
from stream.kafka.encoding import avro_encoding, avro_schema, decode_avro
from stream.kafka.message import message_from
from stream.kafka.options import KafkaSettings
from stream.kafka.registry import Registry
from stream.sinks.kafka import KafkaSink
from tests.kafka.broker import Broker
from tests.kafka.reading import read, some_events
from tests.stream.events import event

Options = Callable[..., KafkaSettings]


@dataclass
class Answers:
    """What the registry knows and was asked. code: what it answers instead, if not 0."""

    address: str = ""
    schemas: list[str] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    code: int = 0


@contextmanager
def serving() -> Iterator[Answers]:
    answers = Answers()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            schema = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"]
            if schema not in answers.schemas:
                answers.schemas.append(schema)
            self.reply({"id": 100 + answers.schemas.index(schema)})

        def do_GET(self) -> None:
            self.reply({"schema": answers.schemas[int(self.path.rpartition("/")[2]) - 100]})

        def reply(self, found: dict[str, Any]) -> None:
            answers.asked.append((self.path, self.headers["Authorization"]))
            body = json.dumps(found).encode()
            self.send_response(answers.code or 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        answers.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield answers
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def registry() -> Iterator[Answers]:
    with serving() as answers:
        yield answers


def test_events_travel_in_avro_and_come_back(broker: Broker, topic: str, options: Options, registry: Answers) -> None:
    given = options(registry=registry.address, registry_username="me", registry_password="secret")
    sent = some_events(8, streams=1)

    async def scenario() -> list[Any]:
        async with KafkaSink(f"//{broker.bootstrap}/{topic}", given) as sink:
            for each in sent:
                await sink.send(each)
        taken: list[Any] = []
        async with asyncio.timeout(60), SentimentEvents(broker.bootstrap, topic, None, "earliest", given) as events:
            async for each in events:
                taken.append(each)
                if len(taken) == len(sent):
                    break
        return taken

    assert asyncio.run(scenario()) == sent
    for record in read(broker.bootstrap, topic):
        assert struct.unpack_from(">bI", record.value or b"") == (0, 100)
        assert dict(record.headers)["content-type"] == b"application/avro"
    paths = [path for path, _ in registry.asked]
    assert paths == [f"/subjects/{topic}-value/versions", "/schemas/ids/100"], "asked once each"
    assert {authorization for _, authorization in registry.asked} == {"Basic bWU6c2VjcmV0"}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.frozensets(st.sampled_from(MODALITIES)), st.sampled_from(["", "so ünïcode"]))
def test_avro_says_what_json_says(index: int, present: frozenset[Modality], said: str) -> None:
    sent = event(index, present, said)
    with serving() as answers:
        registry = Registry(KafkaSettings(registry=answers.address))
        value = message_from(sent, "run", 1.0, avro_encoding(registry, "topic")).value
        assert event_from_dict(decode_avro(value, registry)) == sent


def test_an_old_reader_reads_what_a_newer_schema_wrote(registry: Answers) -> None:
    newer = json.loads(avro_schema())
    newer["fields"].append({"name": "speaker", "type": ["null", "string"], "default": None})
    registry.schemas.append(json.dumps(newer))
    out = io.BytesIO()
    schemaless_writer(out, parse_schema(newer), json.loads(event().as_json()) | {"speaker": "someone"})
    value = struct.pack(">bI", 0, 100) + out.getvalue()
    assert event_from_dict(decode_avro(value, Registry(KafkaSettings(registry=registry.address)))) == event()


@pytest.mark.parametrize(
    "value", [b"", b"\0", b"{}", struct.pack(">bI", 0, 100), struct.pack(">bI", 0, 100) + b"\xff" * 50]
)
def test_what_is_no_avro_is_refused(registry: Answers, value: bytes) -> None:
    registry.schemas.append(avro_schema())
    with pytest.raises(EventError, match="not Avro"):
        decode_avro(value, Registry(KafkaSettings(registry=registry.address)))


@pytest.mark.parametrize(
    ("code", "words"), [(409, "does not fit those before it"), (401, "it answers 401"), (500, "it answers 500")]
)
def test_a_registry_that_says_no_is_one_line_before_the_run(
    registry: Answers, options: Options, code: int, words: str
) -> None:
    registry.code = code
    sink = KafkaSink("//127.0.0.1:1/topic", options(registry=registry.address))
    with pytest.raises(SettingsError, match=words):
        asyncio.run(sink.__aenter__())


@pytest.mark.parametrize("address", ["localhost:8081", "ftp://localhost", "http://me:hunter2@localhost"])
def test_a_wrong_address_is_said_without_its_password(address: str) -> None:
    with pytest.raises(SettingsError, match="EBMC_KAFKA_REGISTRY_PASSWORD_FILE") as caught:
        Registry(KafkaSettings(registry=address))
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError, match="look at EBMC_KAFKA_REGISTRY"):
        Registry(KafkaSettings(registry="http://127.0.0.1:1")).register("topic", "{}")
