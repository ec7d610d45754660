"""The description of the topics is valid, says what is on the wire, and new events can be read by old readers."""

import asyncio
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError

from ebmc_core.modality import MODALITIES, Modality
from stream.chunks.chunk import Chunk, chunk_from
from stream.chunks.letters import DeadLetter, dead_letter_topic
from stream.event import schema
from stream.kafka.message import Headers, message_from
from stream.kafka.options import KafkaSettings
from stream.settings import load_settings
from stream.sinks.kafka import KafkaSink
from tests.kafka.asyncapi import meta_schema
from tests.kafka.broker import Broker
from tests.kafka.reading import make_topics, records, some_events
from tests.stream.events import event

FROZEN = Path(__file__).parent / "frozen"
Options = Callable[..., KafkaSettings]


def description() -> dict[str, Any]:
    return json.loads(files("stream").joinpath("schema/asyncapi-1.json").read_text("utf-8"))


def header_validator(name: str = "headers") -> Draft202012Validator:
    headers = description() | {"$ref": f"#/components/schemas/{name}"}
    return Draft202012Validator(headers, format_checker=Draft202012Validator.FORMAT_CHECKER)


def example_headers(message: str) -> dict[str, str]:
    return description()["components"]["messages"][message]["examples"][0]["headers"]


def chunks() -> list[Chunk]:
    """A live one, one of a file, and one that ends a stream after a very short time."""
    both = frozenset({Modality.AUDIO, Modality.VIDEO})
    return [
        Chunk("cam-1", "c2cd96d54cc44158a966973de611d46b", 42, both, 42.0, 43.0, b"\x00", origin=1777636757.5),
        Chunk("cämera / 1", "run", 0, frozenset({Modality.AUDIO}), 0.0, 1 / 3, b"\xff"),
        Chunk("cam-1", "run", 7, frozenset({Modality.VIDEO}), 1e-7, 2e-7, b"", last=True),
    ]


def chunk_headers(chunk: Chunk) -> Headers:
    return (*chunk.headers, ("ce_time", b"2026-05-01T12:00:00.623Z"))


def letters() -> list[DeadLetter]:
    place = "chunks", 3, 1042, b"cam-1", b"\x00"
    return [
        DeadLetter(*place, chunk_headers(chunks()[0]), "decode", "the media cannot be decoded", 1, 1777636801.25),
        DeadLetter(*place, (("dlq_cause", b"\x00"),), "Not a\nword", "\x1b[31m two\nlines " * 999, 999, 1777636801.0),
        DeadLetter("a" * 245, 0, 0, None, b"", (), "", "", 0, 1e17),
    ]


def test_the_description_is_valid_asyncapi() -> None:
    found = meta_schema(load_settings().cache)
    if isinstance(found, str):
        pytest.skip(f"the meta-schema of AsyncAPI is not here: {found}")
    validator = Draft7Validator(found)
    validator.validate(description())
    for fault in ({"asyncapi": "2.0.0"}, {"channels": {"events": {"adress": "x"}}}, {"info": {}}):
        with pytest.raises(ValidationError):
            validator.validate(description() | fault)


def test_every_reference_leads_somewhere() -> None:
    whole = description()

    def walk(part: Any) -> None:
        if isinstance(part, list):
            for inner in part:
                walk(inner)
        elif isinstance(part, dict):
            if reference := part.get("$ref"):
                name, _, path = reference.partition("#/")
                found = json.loads(files("stream").joinpath("schema", name).read_text()) if name else whole
                for step in filter(None, path.split("/")):
                    found = found[step]
            for inner in part.values():
                walk(inner)

    walk(whole)


def test_the_example_is_what_a_record_has() -> None:
    example = example_headers("sentiment")
    header_validator().validate(example)
    assert list(example) == [name for name, _ in message_from(event(), "run", 1.0).headers]


def test_what_is_on_the_wire_is_what_is_described(broker: Broker, topic: str, options: Options) -> None:
    async def scenario() -> list[Any]:
        async with KafkaSink(f"//{broker.bootstrap}/{topic}", options()) as sink:
            for each in [*some_events(10), event(20, frozenset(), stream="cämera / 1")]:
                await sink.send(each)
        return await records(broker.bootstrap, topic)

    found = asyncio.run(scenario())
    whole = description()
    key = Draft202012Validator(whole["components"]["messages"]["sentiment"]["bindings"]["kafka"]["key"])
    partitions = whole["channels"]["events"]["bindings"]["kafka"]["partitions"]
    assert len(found) == 11
    for record in found:
        headers = {name: value.decode() for name, value in record.headers}
        assert len(headers) == len(record.headers), "each header once"
        header_validator().validate(headers)
        value = json.loads(record.value)
        Draft202012Validator(schema()).validate(value)
        key.validate(record.key.decode())
        assert record.key.decode() == value["stream"]
        assert headers["ce_id"] == value["event_id"]
        assert headers["schema"] == value["schema"]
        assert record.partition < partitions


def test_the_example_of_a_chunk_is_what_its_record_has() -> None:
    assert example_headers("chunk") == {name: value.decode() for name, value in chunk_headers(chunks()[0])}


def test_the_example_of_a_dead_letter_is_what_its_record_has() -> None:
    added = [(name, value.decode()) for name, value in letters()[0].headers if name.startswith("dlq_")]
    assert list(example_headers("deadLetter").items()) == added


def test_chunks_and_dead_letters_on_the_wire_are_as_described(broker: Broker, topic: str) -> None:
    async def scenario() -> list[Any]:
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for chunk in chunks():
                await producer.send_and_wait(
                    topic, chunk.media, chunk.stream.encode(), headers=list(chunk_headers(chunk))
                )
            for letter in letters():
                dead = dead_letter_topic(topic)
                await producer.send_and_wait(dead, letter.value, letter.key, headers=list(letter.headers))
            again = letters()[0]
            await producer.send_and_wait(topic, again.value, again.key, headers=list(again.again))
        return [await records(broker.bootstrap, name) for name in (topic, dead_letter_topic(topic))]

    make_topics(broker, topic, dead_letter_topic(topic))
    cut, dead = asyncio.run(scenario())
    assert (len(cut), len(dead)) == (4, 3)
    key = Draft202012Validator(description()["components"]["messages"]["chunk"]["bindings"]["kafka"]["key"])
    for record in cut:
        headers = {name: value.decode() for name, value in record.headers}
        assert len(headers) == len(record.headers), "each header once"
        header_validator("chunkHeaders").validate(headers)
        key.validate(record.key.decode())
        chunk_from(record.key, record.value, record.headers)
    for record in dead:
        headers = {name: value.decode() for name, value in record.headers}
        assert len(headers) == len(record.headers), "each header once"
        header_validator("deadLetterHeaders").validate(headers)


@pytest.mark.parametrize(
    ("schema_name", "message", "header", "wrong"),
    [
        ("chunkHeaders", "chunk", "ebmc_start", "nan"),
        ("chunkHeaders", "chunk", "ebmc_sequence", "-1"),
        ("chunkHeaders", "chunk", "ebmc_kinds", "text"),
        ("chunkHeaders", "chunk", "ebmc_last", "yes"),
        ("chunkHeaders", "chunk", "ce_time", "noon"),
        ("deadLetterHeaders", "deadLetter", "dlq_cause", "two words"),
        ("deadLetterHeaders", "deadLetter", "dlq_words", "two\nlines"),
        ("deadLetterHeaders", "deadLetter", "dlq_attempt", "1000"),
        ("deadLetterHeaders", "deadLetter", "dlq_offset", ""),
    ],
)
def test_the_description_refuses_what_is_wrong(schema_name: str, message: str, header: str, wrong: str) -> None:
    example = example_headers(message)
    header_validator(schema_name).validate(example)
    for headers in (example | {header: wrong}, {name: value for name, value in example.items() if name != header}):
        with pytest.raises(ValidationError):
            header_validator(schema_name).validate(headers)


def frozen() -> Draft202012Validator:
    """The schema as it was in the first release. It is never changed."""
    return Draft202012Validator(json.loads((FROZEN / "sentiment-event-1.0.json").read_text("utf-8")))


@pytest.mark.parametrize("present", [frozenset(MODALITIES), frozenset({Modality.TEXT}), frozenset[Modality]()])
def test_a_reader_of_the_first_release_reads_what_is_written_now(present: frozenset[Modality]) -> None:
    frozen().validate(json.loads(message_from(event(3, present, "ask not"), "run", 1.0).value))


def test_the_schema_only_grew() -> None:
    """What the rules in docs/kafka.md allow: new optional properties; what was there stays as it was."""
    then, now = frozen().schema, schema()
    assert isinstance(then, dict)
    changed = list(narrowed(then, now, "event"))
    assert changed == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s["required"].append("face"), "event: required"),
        (lambda s: s["properties"].pop("faces"), "event.properties: faces is gone"),
        (lambda s: s["properties"]["faces"].update(type="number"), "event.properties.faces: type"),
        (lambda s: s["properties"]["sentiment"]["properties"]["label"]["enum"].append("mixed"), "label: enum"),
        (lambda s: s.update(additionalProperties=False), "event: additionalProperties"),
    ],
)
def test_a_change_that_breaks_old_readers_is_found(change: Callable[[dict[str, Any]], object], told: str) -> None:
    now = json.loads(json.dumps(schema()))
    change(now)
    assert any(told in line for line in narrowed(schema(), now, "event"))


def test_a_new_optional_field_breaks_nobody() -> None:
    now = json.loads(json.dumps(schema()))
    now["properties"]["speaker"] = {"type": "string"}
    now["description"] = "Version 1, with a speaker"
    assert list(narrowed(schema(), now, "event")) == []
    frozen().validate(json.loads(event().as_json()) | {"speaker": "someone"})


def narrowed(then: Any, now: Any, where: str) -> Any:
    """What changed in a way that an old reader, or an old event, does not fit any more."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        if then != now:
            yield f"{where} changed"
        return
    names = where.endswith((".properties", ".$defs"))
    for key in then.keys() | now.keys():
        if not names and key in {"description", "title", "$id", "$comment"}:
            continue
        if key not in now:
            yield f"{where}: {key} is gone"
        elif key not in then:
            if not names:
                yield f"{where}: {key} is new"
        elif isinstance(then[key], dict):
            yield from narrowed(then[key], now[key], f"{where}.{key}")
        elif then[key] != now[key]:
            yield f"{where}: {key} changed"
