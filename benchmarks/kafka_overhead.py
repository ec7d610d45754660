"""What the Kafka sink costs a live stream: from the end of a window to its event, with and without it, in turns.

The bundled clip plays from memory, in open loop, as `ebmc bench latency --memory` plays it, without speech recognition
unless --asr names one. Each sink has a queue of its own; the event's time is taken by a second one, which is served
after the Kafka sink, so what that does with an event counts. A round is one run without and one with; which of them is
first changes from round to round, since a machine that grows warmer, or busier, would favour one.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from stream.bench.clips import clip_from
from stream.bench.trial import Outcome, Trial, attempt
from stream.kafka.options import KafkaSettings
from stream.settings import load_settings
from stream.sinks.kafka import KafkaSink

WARMUP = 8.0  # seconds of the stream before measuring
LEVELS = (50, 95)


@dataclass(frozen=True, slots=True)
class Pair:
    """A run without the sink and one with it: quantiles of window end to event, milliseconds."""

    without: dict[str, float]
    beside: dict[str, float]

    @property
    def apart(self) -> dict[str, float]:
        """What the sink added."""
        return {name: self.beside[name] - self.without[name] for name in self.without}


def overhead(brokers: str, seconds: float, rounds: int, asr: str, say: Callable[[dict[str, object]], None]) -> None:
    """Measure and tell: each round, then the medians of the differences and their spread."""
    settings = load_settings(asr=asr)
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial((clip_from("clip", Path(folder)),), 1, seconds, WARMUP, settings, memory=True)

        def played(through: bool) -> dict[str, float]:
            spill = Path(folder) / "spill"
            sinks = [KafkaSink(f"//{brokers}/overhead", KafkaSettings(spill=spill))] if through else []
            return quantiles(attempt(trial, lambda _: None, sinks))

        played(True)  # makes the topic, and warms all up
        pairs: list[Pair] = []
        for number in range(rounds):
            first = number % 2 == 1
            one, two = played(first), played(not first)
            pairs.append(Pair(two, one) if first else Pair(one, two))
            say({"round": number + 1, "without": pairs[-1].without, "with": pairs[-1].beside})
    for name in pairs[0].without:
        apart = sorted(pair.apart[name] for pair in pairs)
        said = {"median": median(apart), "least": apart[0], "most": apart[-1]}
        without = median(pair.without[name] for pair in pairs)
        say({"added": name, "without": round(without, 2), **{key: round(value, 2) for key, value in said.items()}})


def quantiles(outcome: Outcome) -> dict[str, float]:
    """Of a run in which every event came."""
    if outcome.came != outcome.due:
        raise SystemExit(f"{outcome.due} events were due and {outcome.came} came: this machine is too busy to measure")
    return {f"p{level}_ms": round(float(np.percentile(outcome.delays, level)), 2) for level in LEVELS}
