"""Where events go: the brokers and the topic of a `kafka://` address."""

import re
from dataclasses import dataclass
from typing import Self

from stream.errors import SinkError

FORM = "kafka://HOST:PORT/TOPIC, for instance kafka://localhost:9092/sentiment (more brokers: HOST:PORT,HOST:PORT)"
BROKER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}")
TOPIC = re.compile(r"[\w.-]{1,249}", re.ASCII)  # what Kafka allows


@dataclass(frozen=True, slots=True)
class Address:
    """brokers: `HOST:PORT`, any of the cluster's. topic: its name."""

    brokers: tuple[str, ...]
    topic: str

    @classmethod
    def parse(cls, uri: str) -> Self:
        """From `//HOST:PORT[,HOST:PORT]/TOPIC`, what follows `kafka:`. Raises `SinkError`."""
        brokers, _, topic = uri.removeprefix("//").partition("/")
        if "@" in uri:  # it may be a password, which may hold a slash: it is not repeated
            raise SinkError(
                "a kafka: address holds no user and no password: set EBMC_KAFKA_SASL, EBMC_KAFKA_USERNAME and "
                "EBMC_KAFKA_PASSWORD_FILE"
            )
        if not uri.startswith("//") or not topic:
            raise SinkError(f"the sink kafka: needs {FORM}")
        return cls(brokers_from(brokers), topic_from(topic))

    def __str__(self) -> str:
        return f"kafka://{','.join(self.brokers)}/{self.topic}"


def brokers_from(listed: str) -> tuple[str, ...]:
    """From `HOST:PORT[,HOST:PORT]`. Raises `SinkError`."""
    brokers = tuple(broker.strip() for broker in listed.split(","))
    for broker in brokers:
        if not BROKER.fullmatch(broker) or int(broker.rpartition(":")[2]) > 65535:
            raise SinkError(f"{broker!r} is no broker: they are given as HOST:PORT, for instance localhost:9092")
    return brokers


def topic_from(name: str) -> str:
    """A topic's name. Raises `SinkError` unless Kafka allows it."""
    if not TOPIC.fullmatch(name) or name in {".", ".."}:
        raise SinkError(
            f"{name!r} is no name for a topic: up to 249 of the letters a-z and A-Z, digits, dot, dash and underscore"
        )
    return name
