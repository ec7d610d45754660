"""What is written to a topic: key, value, headers. Described for others in `stream/schema/asyncapi-1.json`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from stream.event import SCHEMA, SentimentEvent
from stream.kafka.encoding import JSON, Encoding

Headers = tuple[tuple[str, bytes], ...]
SCHEMA_VERSION = ("schema", SCHEMA.encode())
CE_VERSION = ("ce_specversion", b"1.0")
CE_TYPE = ("ce_type", b"ebmc.sentiment")


@dataclass(frozen=True, slots=True)
class Message:
    """One record of a topic. key: the stream's id. timestamp_ms: when it was made, Unix milliseconds."""

    key: bytes
    value: bytes
    headers: Headers
    timestamp_ms: int

    @property
    def stream(self) -> str:
        """Which stream it is about."""
        return self.key.decode(errors="replace")

    @property
    def size(self) -> int:
        """Bytes, without what Kafka adds."""
        headers = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.key) + len(self.value) + headers


def message_from(event: SentimentEvent, run: str, now: float, encoding: Encoding = JSON) -> Message:
    """The event as a record. run: name of the run that it belongs to. now: Unix seconds.

    The value is not checked against the schema: that takes a hundred times as long as all of this.
    """
    milliseconds = round(now * 1000)
    key, source, trace = _of_stream(run, event.window.stream)
    event_id = event.event_id
    headers = (
        ("content-type", encoding.content_type),
        SCHEMA_VERSION,
        ("traceparent", f"00-{trace}-{_digest(run, event_id)[:16]}-01".encode()),
        CE_VERSION,
        ("ce_id", event_id.encode()),
        source,
        CE_TYPE,
        ("ce_time", rfc3339(milliseconds)),
    )
    return Message(key, encoding.encode(event), headers, milliseconds)


@lru_cache(maxsize=1024)
def _of_stream(run: str, stream: str) -> tuple[bytes, tuple[str, bytes], str]:
    """Key, source and trace: what all events of a run of a stream have in common.

    Within a source, an event id is given once (CloudEvents 1.0). One run of a stream is one trace, and each event is a
    span of it (W3C Trace Context); the same event always has the same.
    """
    source = f"/ebmc/{quote(stream, safe='')}/{quote(run, safe='')}"
    return stream.encode(), ("ce_source", source.encode()), _digest(run, stream)[:32]


def _digest(run: str, name: str) -> str:
    return sha256(f"{run}\n{name}".encode()).hexdigest()


@lru_cache(maxsize=16)
def rfc3339(milliseconds: int) -> bytes:
    """A moment (Unix milliseconds) as CloudEvents has it."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z".encode()
