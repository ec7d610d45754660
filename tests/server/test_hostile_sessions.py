"""Some hundred hostile sessions at a real server, one after the other, while somebody else's goes on."""

import asyncio
import json
import random
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from tests.fuzz.hostile import NUMBERS, TEXTS
from tests.server.client import HEADER, messages, say, session, until_type
from tests.server.serving import Served

SESSIONS = 60
FRAMES = 6  # at most, of a session
PATIENCE = 20.0  # seconds for one hostile session
FIELDS = ("type", "source", "kinds", "offer", "begin", "switches", "muted", "off", "extra")
WORDS = ("configure", "change", "close", "socket", "clip", "webrtc", "audio", "video", "text", *TEXTS)


def hostile_value(dice: random.Random) -> Any:
    kind = dice.randrange(6)
    if kind == 0:
        return dice.choice([number for number in NUMBERS if number != 10**400])
    if kind == 1:
        return [hostile_value(dice) for _ in range(dice.randrange(3))]
    if kind == 2:
        return {dice.choice(FIELDS): hostile_value(dice) for _ in range(dice.randrange(3))}
    return dice.choice(WORDS)


def hostile_frame(dice: random.Random) -> str | bytes:
    """A message that is nearly right, or not at all."""
    match dice.randrange(7):
        case 0:
            return dice.randbytes(dice.choice((0, 1, 15, 16, 17, 400)))
        case 1:
            rate, at = dice.choice((0, 1, 16_000, 2**32 - 1)), float(dice.choice(NUMBERS[:9] + NUMBERS[11:]))
            return HEADER.pack(dice.randrange(4), rate, at) + dice.randbytes(dice.randrange(300))
        case 2:
            return HEADER.pack(2, 0, 1.0) + b"\xff\xd8\xff\xe0" + dice.randbytes(300)
        case 3:
            return "[" * dice.choice((10, 3_000, 60_000))
        case 4:
            return json.dumps({"type": "configure", "source": dice.choice(("socket", "clip", "webrtc"))})
        case _:
            document = {"type": dice.choice(("configure", "change", "close"))}
            return json.dumps(document | {dice.choice(FIELDS): hostile_value(dice) for _ in range(dice.randrange(4))})


async def one_hostile_session(server: Served, dice: random.Random) -> list[dict[str, Any]]:
    """What it was told. Nothing when the server ended it before it had said all."""
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        try:
            async with session(server.socket) as socket:
                if dice.randrange(2):
                    await say(socket, "configure", source="socket")
                for _ in range(dice.randrange(1, FRAMES)):
                    await socket.send(hostile_frame(dice))
                await socket.send('{"type": "nonsense"}')
                told = await messages(socket)
        except (ConnectionClosed, InvalidMessage, InvalidStatus, ConnectionError):
            pass
    return told


def test_hostile_sessions_are_ended_and_the_other_one_gets_its_events(server: Served) -> None:
    dice = random.Random(11)

    async def scenario() -> tuple[list[list[dict[str, Any]]], list[dict[str, Any]]]:
        async with session(server.socket) as mine:
            await say(mine, "configure", source="clip")
            await until_type(mine, "event")
            told = [await one_hostile_session(server, dice) for _ in range(SESSIONS)]
            async with asyncio.timeout(60):
                return told, await messages(mine)

    told, had = asyncio.run(scenario())
    ended = [one for one in told if one]
    assert len(ended) > 0.8 * SESSIONS
    assert all(one[-1]["type"] == "session.closed" for one in ended)
    errors = [message for one in ended for message in one if message["type"] == "error"]
    assert "internal" not in {error["code"] for error in errors}, "no mistake of the server is among them"
    assert all("\n" not in error["message"] for error in errors)
    indices = [message["event"]["window"]["index"] for message in had if message["type"] == "event"]
    assert indices == list(range(1, 1 + len(indices))), "every window, in order"
    assert len(indices) > 40, "to the end of the clip"
