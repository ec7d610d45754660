"""Dead letters: records that a worker gave up, as they were, with headers that say why. For users:
`docs/dead-letters.md`."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stream.chunks.chunk import ChunkError
from stream.errors import SinkError
from stream.kafka.address import TOPIC, topic_from
from stream.kafka.message import Headers
from stream.printable import one_line

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

SUFFIX = ".dlq"
ATTEMPT = "dlq_attempt"
OURS = frozenset({"dlq_topic", "dlq_partition", "dlq_offset", "dlq_cause", "dlq_words", ATTEMPT, "dlq_time"})
RUN = "ebmc_run"
MOST_ATTEMPTS = 999  # counted; there may be more
MOST_WORDS = 1000  # letters of an explanation
PLACE = re.compile(rb"\d{1,18}")
REPLAYED = re.compile(rb"\.replay-\d{1,3}$")
NO_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that was given up.

    topic, partition, offset: where it was. key, value, original: as they were there, headers as `original`; of those
    named like ours, only what we write now is kept. cause: one word, in small letters. words: what was wrong, one line.
    attempt: how often it was tried, this time included, from 1. moment: when it was given up, Unix time, seconds.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    original: Headers
    cause: str
    words: str
    attempt: int
    moment: float

    @property
    def headers(self) -> Headers:
        """Headers of its record on the dead letter topic: the original ones, then ours."""
        return (
            *without_ours(self.original),
            ("dlq_topic", self.topic.encode()),
            ("dlq_partition", str(self.partition).encode()),
            ("dlq_offset", str(self.offset).encode()),
            ("dlq_cause", one_word(self.cause).encode()),
            ("dlq_words", one_line(self.words, MOST_WORDS).encode()),
            (ATTEMPT, str(self.attempt).encode()),
            ("dlq_time", repr(self.moment).encode()),
        )

    @property
    def again(self) -> Headers:
        """Headers to give it back to its topic with: the original ones in a run of its own, and how often it was tried.

        The windows of the run it came from are already among the events, and their ids would be dropped as repeats.
        """
        mine = f".replay-{self.attempt}".encode()
        given = [
            (name, REPLAYED.sub(b"", value or b"") + mine if name == RUN else value)
            for name, value in without_ours(self.original)
        ]
        return (*given, (ATTEMPT, str(self.attempt).encode()))


def given_up(record: "ConsumerRecord[Any, Any]", error: ChunkError, moment: float) -> DeadLetter:
    """The letter for a record of a topic that could not be used. moment: now, Unix time, seconds.

    A record with neither key nor value gets an empty value: the client library sends no such record.
    """
    headers = tuple(record.headers)
    attempt = min(attempt_of(headers) + 1, MOST_ATTEMPTS)
    place = record.topic, record.partition, record.offset
    value = b"" if record.key is None and record.value is None else record.value
    return DeadLetter(*place, record.key, value, headers, error.cause, str(error), attempt, moment)


def letter_from(record: "ConsumerRecord[Any, Any]") -> DeadLetter | None:
    """The letter in a record of a dead letter topic; None when it is none."""
    found = {name: value or b"" for name, value in record.headers if name in OURS}
    topic = shown(found.get("dlq_topic"), 249)
    partition, offset = _place(found.get("dlq_partition")), _place(found.get("dlq_offset"))
    if not TOPIC.fullmatch(topic) or partition is None or offset is None or "dlq_cause" not in found:
        return None
    return DeadLetter(
        topic,
        partition,
        offset,
        record.key,
        record.value,
        without_ours(record.headers),
        one_word(shown(found["dlq_cause"], 64)),
        shown(found.get("dlq_words"), MOST_WORDS),
        attempt_of(record.headers),
        number(found.get("dlq_time")) or record.timestamp / 1000,
    )


def attempt_of(headers: Iterable[tuple[str, bytes]]) -> int:
    """How often a record was tried before, at most `MOST_ATTEMPTS`; 0 when it does not say, or says nonsense."""
    said = _place(dict(headers).get(ATTEMPT))
    return min(said or 0, MOST_ATTEMPTS)


def dead_letter_topic(topic: str) -> str:
    """Where the letters of a topic are. Raises `SinkError` when there can be no such topic."""
    try:
        return topic_from(topic + SUFFIX)
    except SinkError as error:
        raise SinkError(f"the topic {topic!r} cannot have one for dead letters ({error})") from None


def without_ours(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """The headers that say nothing of dead letters."""
    return tuple((name, value) for name, value in headers if name not in OURS)


def shown(raw: bytes | None, most: int) -> str:
    """Bytes that may be anything as one line of text, of `most` letters: what cannot be shown is written as escapes."""
    return one_line((raw or b"")[: 4 * most].decode(errors="backslashreplace"), most)


def one_word(cause: str) -> str:
    """A cause as it is written: small letters, digits and dashes, 64 of them at most."""
    return NO_WORD.sub("-", cause.lower()[:64]).strip("-") or "unknown"


def number(raw: bytes | None) -> float | None:
    """A number in a header; None when it is none."""
    try:
        found = float((raw or b"")[:64])
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _place(raw: bytes | None) -> int | None:
    return int(raw) if raw and PLACE.fullmatch(raw) else None
