"""A client of sessions, as a program would write it."""

import io
import json
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

HEADER = struct.Struct("<BxxxId")


@asynccontextmanager
async def session(address: str, **options: Any) -> AsyncGenerator[ClientConnection]:
    """An open web socket that takes messages of any size."""
    async with connect(address, max_size=None, proxy=None, **options) as socket:
        yield socket


async def messages(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything that is still to come, until the server closes."""
    found: list[dict[str, Any]] = []
    try:
        while True:
            found.append(json.loads(await socket.recv()))
    except ConnectionClosed:
        return found


async def until_type(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type; an error that comes instead fails."""
    while True:
        message = json.loads(await socket.recv())
        if message["type"] == kind:
            return message
        assert message["type"] != "error", message


async def say(socket: ClientConnection, kind: str, **fields: Any) -> None:
    """Send a message of this type."""
    await socket.send(json.dumps({"type": kind, **fields}))


def sound(samples: NDArray[np.float32], rate: int, moment: float) -> bytes:
    """A binary message with sound."""
    return HEADER.pack(1, rate, moment) + (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def picture(image: NDArray[np.uint8], moment: float) -> bytes:
    """A binary message with a picture."""
    packed = io.BytesIO()
    Image.fromarray(image).save(packed, "JPEG", quality=85)
    return HEADER.pack(2, 0, moment) + packed.getvalue()


def kinds(found: Sequence[dict[str, Any]]) -> list[str]:
    """The types of messages."""
    return [message["type"] for message in found]
