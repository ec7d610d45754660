"""The whole flow, in process, on frames that the tests choose: what is missing, what is masked, what breaks."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ebmc_core.modality import MODALITIES, Modality
from engines.engine import Engine
from stream.bench.gathered import Gathered
from stream.clock import WallClock
from stream.errors import SourceError
from stream.event import SentimentEvent
from stream.front_ends import FrontEnds
from stream.metrics import Metrics
from stream.pipeline import Run, run
from stream.records import AUDIO_RATE, AudioFrame, Frame, ModalityFeatures, State, VideoFrame
from stream.settings import Settings
from stream.sources.source import Media
from tests.stream.feeds import FeedSource, interleave, pictures, play, sound, substance

TEXT, AUDIO, VIDEO = MODALITIES
slow = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def frames(clip_frames: Sequence[Frame]) -> Sequence[Frame]:
    """Every frame of the bundled clip."""
    return clip_frames


def until(frames: Sequence[Frame], end: float, kind: type[Frame] | None = None) -> list[Frame]:
    return [frame for frame in frames if frame.pts < end - 0.01 and (kind is None or isinstance(frame, kind))]


def check_order(events: Sequence[SentimentEvent]) -> None:
    assert [event.window.index for event in events] == list(range(len(events)))


def noise_picture(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)


@pytest.fixture(scope="module")
def masked(front: FrontEnds, engine: Engine, clip_frames: Sequence[Frame]) -> list[SentimentEvent]:
    """The beginning of the clip with its video switched off."""
    return play([FeedSource(until(clip_frames, 5.5))], front, engine, without=frozenset({VIDEO}))[0]


@slow
@given(st.integers(0, 2**31), st.sampled_from([(48, 64), (1, 1), (288, 360)]))
def test_the_pixels_of_a_masked_video_change_no_bit(
    front: FrontEnds,
    engine: Engine,
    frames: Sequence[Frame],
    masked: list[SentimentEvent],
    seed: int,
    shape: tuple[int, int],
) -> None:
    other = [
        VideoFrame(f.pts, noise_picture(seed, shape)) if isinstance(f, VideoFrame) else f for f in until(frames, 5.5)
    ]
    changed, _ = play([FeedSource(other)], front, engine, without=frozenset({VIDEO}))
    assert substance(masked) == substance(changed)
    assert all(event.trust[VIDEO] == 0 for event in masked)


def beside_noise(front: FrontEnds, engine: Engine, frames: Sequence[Frame], seed: int) -> list[SentimentEvent]:
    """The sound of the clip's beginning, with pictures that show nothing."""
    seen = pictures([noise_picture(seed + n) for n in range(45)])
    return play([FeedSource(interleave(until(frames, 4.5, AudioFrame), seen))], front, engine)[0]


@pytest.fixture(scope="module")
def faceless(front: FrontEnds, engine: Engine, clip_frames: Sequence[Frame]) -> list[SentimentEvent]:
    return beside_noise(front, engine, clip_frames, seed=7)


@slow
@given(st.integers(0, 2**31))
def test_the_pixels_of_a_window_without_a_face_change_no_score(
    front: FrontEnds, engine: Engine, frames: Sequence[Frame], faceless: list[SentimentEvent], seed: int
) -> None:
    events = beside_noise(front, engine, frames, seed)
    assert all(event.modalities[VIDEO].state is State.MISSING for event in [*faceless, *events])
    assert [(e.sentiment, e.trust) for e in events] == [(e.sentiment, e.trust) for e in faceless]


def test_the_same_frames_give_the_same_events_twice(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    some = until(frames, 9.0)
    once, twice = (play([FeedSource(some)], front, engine)[0] for _ in range(2))
    assert substance(once) == substance(twice)


def test_nothing_there_is_unknown_and_still_one_event_a_window(front: FrontEnds, engine: Engine) -> None:
    black = pictures([np.zeros((48, 64, 3), np.uint8)] * 70)
    events, _ = play([FeedSource(interleave(sound(np.zeros(7 * AUDIO_RATE)), black))], front, engine)
    check_order(events)
    assert len(events) == 7
    for event in events:
        assert event.sentiment.label == "unknown"
        assert event.sentiment.score is None
        assert set(event.trust.values()) == {0.0}
        assert (event.modalities[AUDIO].reason or "").startswith("muted for")
        assert "black" in (event.modalities[VIDEO].reason or "")


def test_a_frozen_picture_loses_its_trust(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    # picture  |moves 0-4 |frozen 4 ........ 9|
    # windows            [4    8] holds nothing but the frozen picture
    still = next(f.image for f in frames if isinstance(f, VideoFrame) and f.pts >= 4.0)
    seen = [f if f.pts < 4 else VideoFrame(f.pts, still) for f in until(frames, 9.0, VideoFrame)]
    events, _ = play([FeedSource(interleave(until(frames, 9.0, AudioFrame), seen))], front, engine)
    trust = [event.trust[VIDEO] for event in events]
    assert events[0].modalities[VIDEO].state is State.OK
    assert events[-1].modalities[VIDEO].state in {State.MISSING, State.DEGRADED}
    assert trust[-1] < 0.3 * trust[0]
    assert events[-1].sentiment.score is not None


def test_noise_on_the_sound_lowers_its_trust(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    rng = np.random.default_rng(3)
    heard = [f for f in until(frames, 6.0, AudioFrame) if isinstance(f, AudioFrame)]
    level = float(np.sqrt(np.mean(np.concatenate([f.samples for f in heard]) ** 2)))
    trust: list[float] = []
    for ratio in (0.0, 0.3, 1.0, 2.0):
        hurt = [
            AudioFrame(f.pts, (f.samples + rng.normal(0, ratio * level + 1e-9, len(f.samples))).astype(np.float32))
            for f in heard
        ]
        events, _ = play([FeedSource(interleave(hurt, until(frames, 6.0, VideoFrame)))], front, engine)
        trust.append(float(np.mean([event.trust[AUDIO] for event in events])))
    clean, little, loud, louder = trust
    assert clean > loud > louder and little > loud
    assert little < clean + 0.1  # an old recording is strange to the model, and a little noise makes it less so
    assert louder < 0.6 * clean


@pytest.mark.parametrize("kept", [AudioFrame, VideoFrame])
def test_one_kind_of_frames_alone(front: FrontEnds, engine: Engine, frames: Sequence[Frame], kept: type[Frame]) -> None:
    events, _ = play([FeedSource(until(frames, 6.0, kept))], front, engine)
    check_order(events)
    assert all(event.sentiment.score is not None for event in events)
    assert all((event.trust[VIDEO] == 0) == (kept is AudioFrame) for event in events)
    assert all(event.modalities[VIDEO if kept is AudioFrame else AUDIO].state is State.MISSING for event in events)


@pytest.mark.parametrize("off", MODALITIES)
def test_a_modality_can_be_switched_off(
    front: FrontEnds, engine: Engine, frames: Sequence[Frame], off: Modality
) -> None:
    events, _ = play([FeedSource(until(frames, 5.0))], front, engine, without=frozenset({off}))
    for event in events:
        assert event.trust[off] == 0
        assert event.modalities[off].reason == "switched off"
        assert sum(event.trust.values()) == pytest.approx(1.0, abs=1e-6)
    assert off is not TEXT or not any(event.transcript.text for event in events)


def test_sound_that_is_not_a_number_is_missing_and_nothing_stops(
    front: FrontEnds, engine: Engine, frames: Sequence[Frame]
) -> None:
    bad = sound(np.full(5 * AUDIO_RATE, np.nan))
    events, _ = play([FeedSource(interleave(bad, until(frames, 5.0, VideoFrame)))], front, engine)
    assert all(event.modalities[AUDIO].state is State.MISSING for event in events)
    assert all(event.trust[VIDEO] == pytest.approx(1.0) for event in events)


def test_a_front_end_that_fails_takes_only_its_own_modality(
    front: FrontEnds, engine: Engine, frames: Sequence[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr(front.audio, "window", fail)
    events, _ = play([FeedSource(until(frames, 5.0))], front, engine)
    check_order(events)
    for event in events:
        assert event.modalities[AUDIO].reason == "its analysis failed"
        assert event.trust[AUDIO] == 0
        assert event.trust[VIDEO] > 0
        assert event.trust[TEXT] > 0


def test_features_that_are_not_finite_are_missing(
    front: FrontEnds, engine: Engine, frames: Sequence[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    window = front.audio.window

    def poisoned(*arguments: Any, **options: Any) -> ModalityFeatures:
        part = window(*arguments, **options)
        return replace(part, values=np.where(np.arange(len(part.values)) == 7, np.nan, part.values).astype(np.float32))

    monkeypatch.setattr(front.audio, "window", poisoned)
    events, _ = play([FeedSource(until(frames, 5.0))], front, engine)
    check_order(events)
    assert {event.modalities[AUDIO].reason for event in events} == {"its features are not finite"}
    assert all(event.sentiment.score is not None for event in events)


def test_one_pixel_is_enough_for_a_video(front: FrontEnds, engine: Engine) -> None:
    events, _ = play([FeedSource(pictures([np.full((1, 1, 3), n, np.uint8) for n in range(50)]))], front, engine)
    check_order(events)
    assert {event.sentiment.label for event in events} == {"unknown"}


def test_what_came_before_a_source_broke_is_reported(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    broken = FeedSource(until(frames, 6.0), error=SourceError("the file ends early"))
    events, this = play([broken], front, engine)
    assert len(events) == 5
    assert [str(error) for error in this.broken] == ["the file ends early"]


def test_a_broken_source_does_not_stop_the_others(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    broken = FeedSource(until(frames, 1.0), "a", SourceError("gone"))
    whole = FeedSource(until(frames, 6.0), "b")
    events, this = play([broken, whole], front, engine)
    assert len(this.broken) == 1
    check_order([event for event in events if event.window.stream == "a"])
    assert len([event for event in events if event.window.stream == "b"]) == 5


def test_streams_side_by_side_are_as_if_they_were_alone(
    front: FrontEnds, engine: Engine, frames: Sequence[Frame]
) -> None:
    one, two = until(frames, 6.0), [f for f in frames if 14.5 <= f.pts < 20]
    both, _ = play([FeedSource(one, "a"), FeedSource(two, "b")], front, engine)
    for name, feed in (("a", one), ("b", two)):
        alone, _ = play([FeedSource(feed, name)], front, engine)
        together = [event for event in both if event.window.stream == name]
        for left, right in zip(alone, together, strict=True):
            # a batch of another size sums in another order: equal to rounding, not to the bit
            assert left.transcript == right.transcript
            assert left.sentiment.score == pytest.approx(right.sentiment.score, abs=1e-3)


def test_the_window_and_the_hop_can_be_set(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    events, _ = play([FeedSource(until(frames, 6.0))], front, engine, settings=Settings(window=2.0, hop=1.0))
    assert [(e.window.start, e.window.end) for e in events] == [(0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]


class QuickClock:
    """The wall clock, `speed` times as fast."""

    def __init__(self, speed: float) -> None:
        self._speed, self._begin = speed, time.monotonic()

    def now(self) -> float:
        return (time.monotonic() - self._begin) * self._speed

    async def sleep_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self.now()) / self._speed)


def test_real_time_waits_for_the_timestamps(front: FrontEnds, engine: Engine, frames: Sequence[Frame]) -> None:
    clock = QuickClock(2.0)
    events, _ = play([FeedSource(until(frames, 6.0, VideoFrame))], front, engine, realtime=True, clock=clock)
    check_order(events)
    assert clock.now() >= 5.9


class Paced(Metrics):
    """Remembers how fast the streams were last said to be."""

    def __init__(self) -> None:
        super().__init__()
        self.ratio = 0.0

    def factor(self, stream: str, ratio: float) -> None:
        self.ratio = ratio


class Continued(FeedSource):
    """A source that another process has followed up to window 200."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Media]:
        async with super().open() as media:
            yield replace(media, first=200)


def test_who_joins_late_counts_only_what_it_does_itself(front: FrontEnds, engine: Engine) -> None:
    feed, metrics = Continued(sound(np.zeros(5 * AUDIO_RATE), 100.0)), Paced()
    this = Run(front, engine, [Gathered()], WallClock(), Settings(), metrics=metrics)
    begin = time.monotonic()
    asyncio.run(run([feed], this))
    assert 0.0 < metrics.ratio * (time.monotonic() - begin) < 50.0  # 5 s were done; with those before it would be 105
