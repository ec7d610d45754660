"""What a run cost: the figures behind `ebmc run --stats`."""

import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from stream.worker import Load


@dataclass(frozen=True, slots=True)
class RunStats:
    """loading: imports and models. running: first frame to last event. media: event time seen. All seconds.

    loads: what each named worker did.
    """

    loading: float
    running: float
    media: float
    events: int
    loads: Mapping[str, Load]

    def lines(self) -> list[str]:
        """The summary, one fact a line."""
        factor = f"{self.media / self.running:.1f} times real time" if self.running > 0 else "nothing to do"
        return [
            f"loaded   {self.loading:6.2f} s   (imports and models)",
            f"ran      {self.running:6.2f} s   for {self.media:.1f} s of media: {factor}, {self.events} events",
            f"memory   {peak_memory() / 2**30:6.2f} GiB peak",
            *(f"worker   {load.busy:6.2f} s   {name}: {self._each(load)}" for name, load in self.loads.items()),
        ]

    @staticmethod
    def _each(load: Load) -> str:
        return f"{load.calls} calls, {1000 * load.busy / load.calls:.1f} ms each" if load.calls else "no calls"


def peak_memory() -> int:
    """Peak resident memory of this process, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
