"""What the two processes say to each other about one source, in order, over a socket of its own.

From here a source to open, then one byte when its frames are wanted; closing the socket ends it. From there the rest.
Both ends are this program, so messages are pickled.
"""

import asyncio
import pickle
import struct
from typing import Any, NamedTuple

from ebmc_core.modality import Modality
from stream.apart.shelf import Ticket
from stream.errors import SourceError
from stream.sources.source import Condition

LENGTH = struct.Struct("!I")
GO = b"g"


class Opened(NamedTuple):
    """The source is open; see `Media`."""

    kinds: frozenset[Modality]
    duration: float | None
    condition: Condition


class Frames(NamedTuple):
    """Event times, seconds, each with float32 samples at 16 kHz or with where a picture is."""

    items: list[tuple[float, bytes | Ticket]]


class Said(NamedTuple):
    """A line for the log."""

    level: int
    logger: str
    text: str


class Ended(NamedTuple):
    """There are no more frames; why, if that is an error."""

    error: SourceError | None


def packed(message: object) -> bytes:
    """A message as it is sent."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(data)) + data


async def received(reader: asyncio.StreamReader) -> Any:
    """The next message. Raises `EOFError` when the other end is gone, and `OSError`."""
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    return pickle.loads(await reader.readexactly(length))
