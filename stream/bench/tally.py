"""Meters that a benchmark can read back: every time of every stage while it measures, and what was left out."""

from array import array
from collections import Counter

from stream.bench.quantiles import Spread, spread
from stream.metrics import Metrics, SpeechCounts

SESSION = "session"  # the queue under which a session counts what it did not look at


class Tally(Metrics):
    """The meters of the pipeline. measuring: whether stages are kept (not during the warm-up)."""

    def __init__(self) -> None:
        super().__init__()
        self.measuring = False
        self._times: dict[str, array[float]] = {}
        self._speech: dict[str, SpeechCounts] = {}

    def stage(self, name: str, seconds: float) -> None:
        """A stage took this long."""
        super().stage(name, seconds)
        if self.measuring:
            self._times.setdefault(name, array("d")).append(seconds)

    def speech(self, stream: str, counts: SpeechCounts) -> None:
        """What recognition did for a stream so far."""
        super().speech(stream, counts)
        self._speech[stream] = counts

    def stages(self, speed: float) -> dict[str, Spread]:
        """Each stage in ms on the wall clock, where the pipeline's clock was `speed` times as fast."""
        return {name: spread([1000 * seconds / speed for seconds in times]) for name, times in self._times.items()}

    def left_out(self) -> Counter[str]:
        """What sessions did not look at, by reason."""
        dropped = self.summary().dropped
        return Counter({reason: round(count) for (queue, reason), count in dropped.items() if queue == SESSION})

    def recognition(self) -> Counter[str]:
        """Over all streams: passes, those that newer speech replaced, seconds of speech that were skipped."""
        found = Counter[str]()
        for counts in self._speech.values():
            found["passes"] += counts.passes
            found["superseded"] += counts.superseded
            found["skipped_s"] += round(counts.skipped)
            found["phantoms"] += sum(counts.phantoms.values())
        return found
