"""How an event becomes the value of a record: JSON, or Avro as those write it who have a schema registry.

Confluent's wire format: a zero byte, the number of the schema (4 bytes, big-endian), then Avro's binary form.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import orjson

from stream.errors import EventError, SettingsError
from stream.event import SentimentEvent
from stream.kafka.registry import Registry

MAGIC = 0
HEAD = struct.Struct(">bI")


@dataclass(frozen=True, slots=True)
class Encoding:
    """content_type: what the header says. encode: makes the value."""

    content_type: bytes
    encode: Callable[[SentimentEvent], bytes]


def _json(event: SentimentEvent) -> bytes:
    return orjson.dumps(event.as_parts())


JSON = Encoding(b"application/json", _json)


def avro_encoding(registry: Registry, topic: str) -> Encoding:
    """Avro, with our schema registered for the topic. Blocks; raises `SettingsError`."""
    require_avro()
    from fastavro import schemaless_writer

    text = avro_schema()
    parsed, head = _parsed(text), HEAD.pack(MAGIC, registry.register(topic, text))

    def encode(event: SentimentEvent) -> bytes:
        out = io.BytesIO(head)
        out.seek(len(head))
        schemaless_writer(out, parsed, event.as_dict(), disable_tuple_notation=True)  # our tuples are arrays
        return out.getvalue()

    return Encoding(b"application/avro", encode)


def decode_avro(value: bytes, registry: Registry) -> dict[str, Any]:
    """The event as a dictionary: read with the schema that wrote it, as ours sees it. Blocks when the schema is new.

    Raises `EventError` when it is none, or its schema none, `SettingsError` when the registry does not help.
    """
    from fastavro import schemaless_reader

    if len(value) < HEAD.size or value[0] != MAGIC:
        raise EventError("not Avro in Confluent's wire format")
    schema = registry.schema(HEAD.unpack_from(value)[1])
    try:
        found = schemaless_reader(io.BytesIO(value[HEAD.size :]), _parsed(schema), _parsed(avro_schema()))
    except Exception as error:  # whatever the library trips over in bytes that are not what they say
        raise EventError(f"not Avro of its schema ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise EventError("not an event")
    return found


def require_avro() -> None:
    """Raise `SettingsError`, which says how to get it, if Avro is not installed."""
    if find_spec("fastavro") is None:
        raise SettingsError("Avro needs fastavro; run: pip install 'ebmc-stream[avro]'")


def avro_schema() -> str:
    """The schema of the event, version 1."""
    return files("stream").joinpath("schema/sentiment-event-1.avsc").read_text("utf-8")


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    from fastavro import parse_schema

    return parse_schema(orjson.loads(text))
