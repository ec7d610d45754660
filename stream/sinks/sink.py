"""The one protocol of all sinks, and the table they are registered in."""

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from stream.errors import SinkError
from stream.event import SentimentEvent
from stream.metrics import Metrics


class Sink(Protocol):
    """Where events go. Entering opens it, leaving writes what is left and closes it. Raises `SinkError`."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, event: SentimentEvent) -> None:
        """Take the next event; of one stream they come in order."""
        ...


class Unopened:
    """What a sink needs not say that has nothing to open and nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class Hasty(Protocol):
    """A sink that takes early events too (see `stream.early`): one that shows what is, and keeps no record."""

    early: bool


@runtime_checkable
class Metered(Protocol):
    """A sink that has something to tell the meters of the process."""

    def report_to(self, metrics: Metrics) -> None:
        """Tell it to these, from now on."""
        ...


def hasty(sink: Sink) -> bool:
    """Whether a sink takes early events."""
    return isinstance(sink, Hasty) and sink.early


@contextmanager
def placing(path: str) -> Generator[Path]:
    """Make the folder of a file; a failure to do so, or to create the file inside, is a `SinkError` that says it."""
    place = Path(path)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield place
    except OSError as error:
        raise SinkError(f"{place}: cannot be written ({error.strerror}); choose another file") from error


# scheme -> module:class, imported only when that sink is made
SINKS: dict[str, str] = {
    "jsonl": "stream.sinks.jsonl:JsonLinesSink",
    "kafka": "stream.sinks.kafka:KafkaSink",
    "table": "stream.sinks.table:TableSink",
    "timeline": "stream.sinks.timeline:TimelineSink",
}


def sink_from(uri: str) -> Sink:
    """The sink that a command line argument names: `scheme` or `scheme:where`."""
    scheme, _, rest = uri.partition(":")
    if scheme not in SINKS:
        raise SinkError(f"cannot write to {uri!r}: sinks are {', '.join(f'{name}:' for name in SINKS)}")
    module, _, kind = SINKS[scheme].partition(":")
    try:
        made = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:  # what a sink needs beyond the rest is in an extra of its name
        raise SinkError(f"the sink {scheme}: needs {error.name}; run: pip install 'ebmc-stream[{scheme}]'") from error
    return made(rest)
