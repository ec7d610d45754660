"""What is written to a topic: key, value, headers. Described for others in `stream/schema/asyncapi-1.json`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

from stream.event import SCHEMA, SentimentEvent

Headers = tuple[tuple[str, bytes], ...]
CONTENT_TYPE = "application/json"
CE_TYPE = "ebmc.sentiment"


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
        return self.key.decode()

    @property
    def size(self) -> int:
        """Bytes, without what Kafka adds."""
        headers = sum(len(name) + len(value) for name, value in self.headers)
        return len(self.key) + len(self.value) + headers


def message_from(event: SentimentEvent, run: str, now: float) -> Message:
    """The event as a record. run: name of the run that it belongs to. now: Unix seconds."""
    stream, event_id = event.window.stream, event.event_id
    headers = {
        "content-type": CONTENT_TYPE,
        "schema": SCHEMA,
        "traceparent": traceparent(run, stream, event_id),
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": source(run, stream),
        "ce_type": CE_TYPE,
        "ce_time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    encoded = tuple((name, value.encode()) for name, value in headers.items())
    return Message(stream.encode(), event.encoded(), encoded, round(now * 1000))


def source(run: str, stream: str) -> str:
    """Where an event is from, a URI reference. Within a source an event id is given once (CloudEvents 1.0)."""
    return f"/ebmc/{quote(stream, safe='')}/{quote(run, safe='')}"


def traceparent(run: str, stream: str, event_id: str) -> str:
    """W3C Trace Context: one trace per run of a stream, one span per event; the same event has the same."""
    trace = sha256(f"{run}\n{stream}".encode()).hexdigest()[:32]
    span = sha256(f"{run}\n{event_id}".encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-01"
