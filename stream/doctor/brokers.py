"""Whether Kafka's brokers can be reached with the settings as they are. They are told by number, not by name."""

import asyncio
import os
from collections.abc import Iterator

from stream.doctor.finding import Finding
from stream.errors import SettingsError
from stream.kafka.library import quiet, require
from stream.kafka.options import KafkaSettings

PATIENCE = 10.0  # seconds for one broker


def brokers(addresses: tuple[str, ...], settings: KafkaSettings) -> Iterator[Finding]:
    """Each `HOST:PORT` is tried alone: an answer of one says nothing of the others."""
    if not addresses:
        return
    try:
        require()
    except SettingsError as error:
        yield Finding("brokers", "library", str(error), False)
        return
    for number, address in enumerate(addresses, start=1):
        failure = asyncio.run(_reach(address, settings))
        told = f"cannot be reached: {failure}" if failure else "answers"
        yield Finding("brokers", f"broker {number}", told, failure is None)


async def _reach(address: str, settings: KafkaSettings) -> str | None:
    """Why it cannot be reached."""
    from stream.kafka.faults import LOST, mend, told
    from stream.kafka.link import reach
    from stream.kafka.security import client_arguments

    try:
        with quiet():
            arguments = client_arguments(settings) | {"request_timeout_ms": round(PATIENCE * 1000)}
            async with asyncio.timeout(PATIENCE):
                await reach((address,), arguments)
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except LOST as error:
        if isinstance(error, OSError) and (error.errno or 0) > 0:  # its text may hold the address
            return os.strerror(error.errno or 0)
        return mend(error) or told(error)
    return None
