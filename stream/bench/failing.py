"""Front ends that fail, and a sink that is slow, at moments of a schedule."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from stream.bench.disturbances import Span
from stream.clock import Clock
from stream.event import SentimentEvent
from stream.front_ends import FrontEnds
from stream.sinks.sink import Unopened

SLOW = 0.4  # seconds that the slow sink takes for an event


@dataclass(slots=True)
class Moments:
    """Spans of the clock in which something is wrong, and how often it struck."""

    clock: Clock
    spans: Sequence[Span]
    struck: int = 0

    def now(self) -> bool:
        """Whether it is wrong now; counts it."""
        wrong = any(self.clock.now() in span for span in self.spans)
        self.struck += wrong
        return wrong


def moments(clock: Clock, begin: float, seconds: float, rng: np.random.Generator) -> Moments:
    """About one span of 0.5 to 2 s in ten seconds, from `begin` on the clock."""
    starts = np.arange(begin + 3.0, begin + seconds, 10.0) + rng.uniform(0, 5, len(np.arange(3.0, seconds, 10.0)))
    return Moments(clock, [Span(float(start), float(start + rng.uniform(0.5, 2.0))) for start in starts])


class Failing:
    """Stands before an object; its methods raise at these moments."""

    def __init__(self, inner: object, wrong: Moments) -> None:
        self._inner, self._wrong = inner, wrong

    def __getattr__(self, name: str) -> object:
        found = getattr(self._inner, name)
        return self._guarded(found, name) if callable(found) else found

    def _guarded(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self._wrong.now():
                raise RuntimeError(f"{name} fails, as it was told to")
            return call(*args, **kwargs)

        return guarded


def failing_front(front: FrontEnds, wrong: Moments) -> FrontEnds:
    """The same front ends, whose analysis of voice and words, and recognition, fail at these moments."""
    audio, text, recogniser = (cast(Any, Failing(part, wrong)) for part in (front.audio, front.text, front.recogniser))
    return replace(front, audio=audio, text=text, recogniser=recogniser)


class SlowSink(Unopened):
    """Keeps every event and when it came, on the clock; at some moments it takes its time."""

    def __init__(self, clock: Clock, wrong: Moments) -> None:
        self.events: list[SentimentEvent] = []
        self.moments: list[float] = []
        self._clock, self._wrong = clock, wrong

    async def send(self, event: SentimentEvent) -> None:
        """Note one event, slowly or not."""
        self.events.append(event)
        self.moments.append(self._clock.now())
        if self._wrong.now():
            await asyncio.sleep(SLOW)
