"""Events as JSON lines, in a file or on standard output."""

import os
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Self

from stream.errors import SinkError, SinkLost
from stream.event import SentimentEvent
from stream.sinks.sink import placing


class JsonLinesSink:
    """`jsonl:PATH` (a new file each run) or `jsonl:-` (standard output). Every line is flushed when it is written."""

    def __init__(self, path: str) -> None:
        if not path:
            raise SinkError(
                "the sink jsonl: needs a file, for instance jsonl:events.jsonl, or jsonl:- for standard output"
            )
        self._path = path
        self._file: IO[str] = sys.stdout
        self._resources = ExitStack()

    async def __aenter__(self) -> Self:
        if self._path != "-":
            with placing(self._path) as place:
                self._file = self._resources.enter_context(place.open("w", encoding="utf-8"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._resources.close()
        except OSError as full:
            if error is None:  # else the write that failed has said it already
                raise SinkError(f"{self._path}: {full.strerror}; the last events were not written") from full

    async def send(self, event: SentimentEvent) -> None:
        """Write one line."""
        try:
            self._file.write(event.as_json() + "\n")
            self._file.flush()
        except BrokenPipeError:
            _close_for_good(self._file)
            raise SinkLost("standard output was closed by its reader") from None
        except OSError as error:
            raise SinkError(f"{self._path}: {error.strerror}; free some space or choose another file") from error


def _close_for_good(file: IO[str]) -> None:
    """What is still in the buffer of a broken pipe has nowhere to go; the interpreter must not try at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, file.fileno())
    os.close(nowhere)
