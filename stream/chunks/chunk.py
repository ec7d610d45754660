"""A piece of one stream's media, and how it is written on a topic. For users: `docs/workers.md`.

The value of a record is a media container that can be decoded by itself; everything else is in the headers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from ebmc_core.errors import EbmcError
from ebmc_core.modality import Modality
from stream.kafka.message import CE_VERSION, Headers, rfc3339
from stream.printable import one_line

SCHEMA = "ebmc.chunk/1"
CE_TYPE = ("ce_type", b"ebmc.chunk")
LONGEST = 60.0  # seconds that a chunk may last
LARGEST = 8 * 1024 * 1024  # bytes of its media
LATEST = 2.0**40  # seconds of event time; what is later is no time
LAST = 2**63 - 1  # sequence
WORDS = 300  # letters of what is said of a record, which may be repeated from it


class ChunkError(EbmcError):
    """A record is no chunk, or its media cannot be decoded. cause: in one word, for the dead letter topic."""

    def __init__(self, cause: str, words: str) -> None:
        super().__init__(one_line(words, WORDS))
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Chunk:
    """All that a stream has between `start` and `end`, of every kind: what is not inside did not come.

    stream: its id. run: name of the ingest run that cut it; event time begins anew with each. sequence: counts the
    chunks of a run from 0. kinds: the media the stream has, in all of its chunks. start, end: event time, seconds.
    last: the stream ends here. origin: Unix time at event time 0, seconds, of a live source; else None.
    media: a container (Matroska, NUT, MP4 and their like) whose timestamps are event time; frames outside
    `[start, end)` are only there so that those inside can be decoded. Empty where nothing came. content_type: of media.
    """

    stream: str
    run: str
    sequence: int
    kinds: frozenset[Modality]
    start: float
    end: float
    media: bytes
    last: bool = False
    origin: float | None = None
    content_type: str = "video/x-nut"

    @property
    def headers(self) -> Headers:
        """The headers of its record."""
        name = f"{self.run}-{self.sequence}"
        trace = sha256(f"{self.run}\n{self.stream}".encode()).hexdigest()[:32]
        span = sha256(f"{self.run}\n{name}".encode()).hexdigest()[:16]
        captured = () if self.origin is None else (("ebmc_origin", repr(self.origin).encode()),)
        return (
            ("content-type", self.content_type.encode()),
            ("schema", SCHEMA.encode()),
            ("traceparent", f"00-{trace}-{span}-01".encode()),
            ("ebmc_run", self.run.encode()),
            ("ebmc_sequence", str(self.sequence).encode()),
            ("ebmc_kinds", ",".join(sorted(self.kinds)).encode()),
            ("ebmc_start", repr(self.start).encode()),
            ("ebmc_end", repr(self.end).encode()),
            ("ebmc_last", b"true" if self.last else b"false"),
            *captured,
            CE_VERSION,
            ("ce_id", name.encode()),
            ("ce_source", f"/ebmc/{quote(self.stream, safe='')}/{quote(self.run, safe='')}".encode()),
            CE_TYPE,
        )

    def dated(self, milliseconds: int) -> Headers:
        """The headers, with the moment (Unix milliseconds) when it was cut."""
        return (*self.headers, ("ce_time", rfc3339(milliseconds)))


def chunk_from(key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> Chunk:
    """The chunk in a record. Raises `ChunkError`."""
    found = {name: value or b"" for name, value in headers}  # Kafka allows a header without a value
    try:
        schema = found.get("schema", b"").decode()
        if schema != SCHEMA:
            raise ChunkError("schema", f"not a chunk: its schema is {schema!r}, not {SCHEMA!r}")
        stream, run = (key or b"").decode(), found["ebmc_run"].decode()
        kinds = frozenset(Modality(kind) for kind in found["ebmc_kinds"].decode().split(","))
        chunk = Chunk(
            stream,
            run,
            int(found["ebmc_sequence"]),
            kinds,
            float(found["ebmc_start"]),
            float(found["ebmc_end"]),
            value or b"",
            {b"true": True, b"false": False}[found["ebmc_last"]],
            float(found["ebmc_origin"]) if "ebmc_origin" in found else None,
            found.get("content-type", b"").decode(),
        )
    except (KeyError, ValueError) as error:
        raise ChunkError("headers", f"not a chunk: its headers are not right ({error})") from error
    if not (stream and run and 0 <= chunk.sequence <= LAST and kinds <= {Modality.AUDIO, Modality.VIDEO}):
        raise ChunkError("headers", "not a chunk: it names no stream, no run or no kind of media")
    if chunk.origin is not None and not abs(chunk.origin) < LATEST:
        raise ChunkError("headers", "not a chunk: its origin is no time")
    # a comparison with what is not a number is false
    if not (0.0 <= chunk.start <= chunk.end < LATEST and chunk.end - chunk.start <= LONGEST):
        raise ChunkError("headers", f"not a chunk: it cannot last from {chunk.start} to {chunk.end} s")
    return chunk
