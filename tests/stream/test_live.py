"""The pipeline over a source that waits for nobody: what drops is missing in the next event, what is back counts."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from ebmc_core.modality import MODALITIES, Modality
from engines.engine import Engine
from stream.clock import WallClock
from stream.embed import Pipeline
from stream.errors import SourceError
from stream.event import SentimentEvent
from stream.front_ends import FrontEnds
from stream.recording import Recorder
from stream.records import AudioFrame, Frame, State, VideoFrame
from stream.sources.replay import ReplaySource
from tests.stream.feeds import FeedSource, LiveFeed, play, substance
from tests.stream.steady_clock import SteadyClock

TEXT, AUDIO, VIDEO = MODALITIES
HOP = 0.5


@pytest.fixture
def clock() -> SteadyClock:
    """What the source and the pipeline go by."""
    return SteadyClock()


def without(frames: Sequence[Frame], kind: type[Frame], start: float, end: float) -> list[Frame]:
    return [frame for frame in frames if not (isinstance(frame, kind) and start <= frame.pts < end)]


def check_order(events: Sequence[SentimentEvent]) -> None:
    assert [event.window.index for event in events] == list(range(len(events)))


@pytest.mark.parametrize(("kind", "gone"), [(VideoFrame, VIDEO), (AudioFrame, AUDIO)])
def test_what_drops_has_no_trust_in_the_next_event_and_is_back_within_two_windows(
    front: FrontEnds,
    engine: Engine,
    clip_frames: Sequence[Frame],
    clock: SteadyClock,
    kind: type[Frame],
    gone: Modality,
) -> None:
    # frames   |=== 4.6 s ===x gone 2.3 s x== back 6.9 to 9 ==|
    # events                  5.0 missing      7.5 or 8.0 back
    feed = without([frame for frame in clip_frames if frame.pts < 9.0], kind, 4.6, 6.9)
    events, this = play([LiveFeed(feed, clock)], front, engine, clock=clock)
    check_order(events)
    states = {event.window.end: event.modalities[gone] for event in events}
    trust = {event.window.end: event.trust[gone] for event in events}
    assert states[4.5].state is not State.MISSING
    for end in (5.0, 5.5, 6.0, 6.5):
        assert states[end].state is State.MISSING and trust[end] == 0, (end, states[end])
        assert (states[end].reason or "").startswith("no ")
    assert trust[8.0] > 0
    assert all(event.sentiment.score is not None for event in events)
    assert this.broken == []


def test_when_everything_stops_events_go_on(
    front: FrontEnds, engine: Engine, clip_frames: Sequence[Frame], clock: SteadyClock
) -> None:
    feed = [frame for frame in clip_frames if frame.pts < 4.6 or 6.9 <= frame.pts < 8.0]
    events, _ = play([LiveFeed(feed, clock)], front, engine, clock=clock)
    check_order(events)
    ends = {event.window.end: event for event in events}
    for end in (5.5, 6.0, 6.5):
        assert ends[end].trust[VIDEO] == ends[end].trust[AUDIO] == 0
    assert ends[8.0].trust[AUDIO] > 0 or ends[8.0].trust[VIDEO] > 0


def test_a_recorded_live_session_replays_to_the_same_events(
    front: FrontEnds, engine: Engine, clip_frames: Sequence[Frame], clock: SteadyClock, tmp_path: Path
) -> None:
    feed = without([frame for frame in clip_frames if frame.pts < 6.5], VideoFrame, 3.5, 5.0)
    with Recorder(tmp_path / "session") as recorder:
        live, _ = play([LiveFeed(feed, clock, "cam")], front, engine, clock=clock, record=recorder)
    for _ in range(2):
        again, _ = play([ReplaySource(tmp_path / "session" / "cam")], front, engine)
        assert substance(again) == substance(live)


def test_two_streams_at_once_are_two_streams(
    front: FrontEnds, engine: Engine, clip_frames: Sequence[Frame], clock: SteadyClock
) -> None:
    one = [frame for frame in clip_frames if frame.pts < 6.0]
    other = without(one, VideoFrame, 0.0, 6.0)
    events, _ = play([LiveFeed(one, clock, "a"), LiveFeed(other, clock, "b")], front, engine, clock=clock)
    for name in ("a", "b"):
        check_order([event for event in events if event.window.stream == name])
    assert all(event.trust[VIDEO] == 0 for event in events if event.window.stream == "b")
    assert any(event.trust[VIDEO] > 0 for event in events if event.window.stream == "a")


def test_a_program_pushes_frames_and_takes_events(
    front: FrontEnds, engine: Engine, clip_frames: Sequence[Frame]
) -> None:
    async def program() -> list[SentimentEvent]:
        pipeline, clock = Pipeline("mine", front=front, engine=engine), WallClock()

        async def push() -> None:
            begin = clock.now()
            for frame in clip_frames:
                if frame.pts >= 6.0:
                    break
                await clock.sleep_until(begin + frame.end)
                if isinstance(frame, AudioFrame):
                    pipeline.push_audio(frame.samples, frame.pts)
                else:
                    pipeline.push_video(frame.image, frame.pts)
            pipeline.close()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(push())
            return [event async for event in pipeline]

    events = asyncio.run(program())
    check_order(events)
    assert len(events) >= 4
    assert {event.window.stream for event in events} == {"mine"}
    assert all(event.sentiment.score is not None for event in events)
    assert any(event.trust[AUDIO] > 0 and event.trust[VIDEO] > 0 for event in events)


def test_leaving_the_events_of_a_pipeline_ends_it(front: FrontEnds, engine: Engine, clip: Path) -> None:
    async def program() -> SentimentEvent:
        async with aclosing(aiter(Pipeline(sources=[str(clip)], front=front, engine=engine))) as events:
            return await anext(events)

    assert asyncio.run(program()).window.index == 0


def test_an_error_of_a_source_reaches_the_program(front: FrontEnds, engine: Engine) -> None:
    async def program() -> None:
        broken = FeedSource([], error=SourceError("it broke"))
        async for _ in Pipeline(sources=[broken], front=front, engine=engine):
            pass

    with pytest.raises(SourceError, match="it broke"):
        asyncio.run(program())
