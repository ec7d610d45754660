"""What a run cost: the figures behind `ebmc run --stats`."""

import random
import resource
import sys
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stream.worker import Load

KEPT = 4096  # values of a stage; percentiles are exact up to here, and from a uniform sample of the run beyond


@dataclass(frozen=True, slots=True)
class Percentiles:
    """How long something took, over a whole run. Seconds; count: how often it was measured."""

    p50: float
    p95: float
    p99: float
    count: int


class Reservoir:
    """Values of a whole run in bounded memory: all of them, or a uniform sample once they are many (Vitter, 1985)."""

    def __init__(self, size: int = KEPT, seed: int = 0) -> None:
        self._size, self._rng = size, random.Random(seed)
        self._values, self._count = array("d"), 0

    def add(self, value: float) -> None:
        """Record one value."""
        self._count += 1
        if len(self._values) < self._size:
            self._values.append(value)
        elif (place := self._rng.randrange(self._count)) < self._size:
            self._values[place] = value

    def percentiles(self) -> Percentiles:
        """Of what was recorded; zeros when nothing was."""
        if not self._values:
            return Percentiles(0.0, 0.0, 0.0, 0)
        p50, p95, p99 = np.percentile(np.array(self._values), (50, 95, 99))
        return Percentiles(float(p50), float(p95), float(p99), self._count)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the meters counted over a run, streams that ended included.

    stages: how long each took. dropped: by queue and reason. reconnects: by stream, those with any.
    """

    stages: Mapping[str, Percentiles] = field(default_factory=dict[str, Percentiles])
    dropped: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    reconnects: Mapping[str, int] = field(default_factory=dict[str, int])

    def lines(self) -> list[str]:
        """One fact a line; nothing where nothing was counted."""
        return [
            *(_stage(name, found) for name, found in self.stages.items() if found.count),
            *(f"dropped  {count:6.0f}     {queue}: {reason}" for (queue, reason), count in self.dropped.items()),
            *(f"source   {count:6d} reconnects   {stream}" for stream, count in self.reconnects.items()),
        ]


@dataclass(frozen=True, slots=True)
class RunStats:
    """loading: imports and models. running: first frame to last event. media: event time seen. All seconds.

    loads: what each named worker did. summary: what the meters counted.
    """

    loading: float
    running: float
    media: float
    events: int
    loads: Mapping[str, Load]
    summary: Summary = Summary()

    def lines(self) -> list[str]:
        """The summary, one fact a line."""
        factor = f"{self.media / self.running:.1f} times real time" if self.running > 0 else "nothing to do"
        return [
            f"loaded   {self.loading:6.2f} s   (imports and models)",
            f"ran      {self.running:6.2f} s   for {self.media:.1f} s of media: {factor}, {self.events} events",
            f"memory   {peak_memory() / 2**30:6.2f} GiB peak",
            *(f"worker   {load.busy:6.2f} s   {name}: {self._each(load)}" for name, load in self.loads.items()),
            *self.summary.lines(),
        ]

    @staticmethod
    def _each(load: Load) -> str:
        return f"{load.calls} calls, {1000 * load.busy / load.calls:.1f} ms each" if load.calls else "no calls"


def _stage(name: str, took: Percentiles) -> str:
    p50, p95, p99 = (f"{1000 * seconds:.1f}" for seconds in (took.p50, took.p95, took.p99))
    return f"stage    {name:8s}   p50 {p50}, p95 {p95}, p99 {p99} ms   ({took.count} times)"


def peak_memory() -> int:
    """Peak resident memory of this process, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
