"""A line on the terminal while events go elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from stream.event import SentimentEvent


class ProgressSink:
    """How far each stream has come, on standard error. Gone when the run ends."""

    def __init__(self, console: Console) -> None:
        self._status = Status("waiting for the first window", console=console)
        self._reached: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._status.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()

    async def send(self, event: SentimentEvent) -> None:
        """Show the end of the newest window of each stream."""
        self._reached[event.window.stream] = event.window.end
        self._status.update("  ".join(f"{stream} {end:.1f} s" for stream, end in self._reached.items()))
