"""Timestamps that wrap, jump, are missing, and come from clocks that disagree."""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ebmc_core.modality import Modality
from stream.timeline import AHEAD, GAP, OVERLAP, LiveTimeline, RecordedTimeline

AUDIO, VIDEO = Modality.AUDIO, Modality.VIDEO
LENGTH = {AUDIO: 0.04, VIDEO: 0.0}  # seconds per frame of sound; of a picture
EVERY = {AUDIO: 0.04, VIDEO: 1 / 15}  # seconds from frame to frame
WRAP = 2**33 / 90_000
START = 5000.0  # wall clock when a simulation begins


@dataclass(frozen=True)
class Burst:
    """Frames of a kind that were captured in this time come `delay` seconds later than they would."""

    start: float
    end: float
    delay: float
    kinds: tuple[Modality, ...] = (AUDIO, VIDEO)


def captured(kind: Modality, seconds: float, bursts: list[Burst], seed: int) -> Iterator[tuple[float, float, Modality]]:
    """(arrival, when it was captured, kind), in order; both in true seconds. Jitter of 30 ms, pictures 80 ms late."""
    chance, arrival = random.Random(f"{seed}{kind}"), 0.0
    for number in range(round(seconds / EVERY[kind])):
        moment = number * EVERY[kind]
        late = sum(b.delay for b in bursts if b.start <= moment < b.end and kind in b.kinds)
        usual = 0.05 + (0.08 if kind is VIDEO else 0.0) + chance.expovariate(1 / 0.03)
        arrival = max(arrival, moment + LENGTH[kind] + usual + late)
        yield arrival, moment, kind


def simulate(
    seconds: float, skew: dict[Modality, float], bursts: list[Burst], seed: int = 0
) -> tuple[LiveTimeline, list[float], float]:
    """A source with a clock per kind, fast by `skew`: its timeline, how far pictures are from the sound of the same
    moment, and how far event time has drifted from true time."""
    line = LiveTimeline()
    newest: dict[Modality, float] = {}
    error = {AUDIO: 0.0, VIDEO: 0.0}  # event time less true time of the newest frame
    apart, first = [], None
    frames = heapq.merge(*(captured(kind, seconds, bursts, seed) for kind in LENGTH))
    for arrival, moment, kind in frames:
        pts = 1000.0 + moment * (1 + skew.get(kind, 0.0))
        event = line.place(kind, pts, LENGTH[kind], START + arrival)
        if event is None:
            continue
        assert event >= newest.get(kind, 0.0)
        newest[kind], error[kind] = event, event - moment
        first = error[kind] if first is None else first
        if len(newest) == 2:
            apart.append(error[AUDIO] - error[VIDEO])
    return line, apart, error[AUDIO] - (first or 0.0)


@pytest.mark.parametrize("skew", [{AUDIO: 200e-6}, {AUDIO: -200e-6}, {AUDIO: -100e-6, VIDEO: 100e-6}])
def test_an_hour_of_skewed_clocks_stays_aligned_and_says_by_how_much(skew: dict[Modality, float]) -> None:
    line, apart, drift = simulate(3600, skew, [])
    assert max(map(abs, apart)) < 0.040
    difference = 3600 * (skew.get(AUDIO, 0.0) - skew.get(VIDEO, 0.0))
    assert line.skew == pytest.approx(difference, abs=0.030)
    assert abs(drift) < 0.060  # event time keeps to the wall clock too
    assert line.jumps == 0


def test_one_clock_is_not_moved_by_bursts_of_delay() -> None:
    bursts = [
        Burst(100, 115, 0.3),
        Burst(300, 330, 0.4, (VIDEO,)),
        Burst(500, 550, 0.2, (AUDIO,)),
        Burst(800, 803, 2.0),
    ]
    line, apart, drift = simulate(1000, {}, bursts)
    assert max(map(abs, apart)) < 0.005
    assert abs(line.skew) < 0.005
    assert abs(drift) < 0.060
    assert line.jumps == 0


@pytest.mark.parametrize("shift", [-500.0, 777.0])
def test_both_kinds_jump_together_and_stay_aligned(shift: float) -> None:
    # timestamps   1000 ... 1010 | 1010 + shift ... ; the pictures jump a little later than the sound
    line = LiveTimeline()
    error: dict[Modality, float] = {}
    for arrival, moment, kind in heapq.merge(*(captured(kind, 20, [], 1) for kind in LENGTH)):
        pts = 1000.0 + moment + (shift if moment > 10 else 0.0)
        if (event := line.place(kind, pts, LENGTH[kind], START + arrival)) is not None:
            error[kind] = event - moment
    assert line.jumps == 1
    assert error[AUDIO] == pytest.approx(error[VIDEO], abs=0.002)


def test_a_live_source_that_was_held_up_for_good_is_brought_back_to_now() -> None:
    line, event = LiveTimeline(), 0.0
    for number in range(1000):
        late = 5.0 if number * 0.04 > 10 else 0.0
        event = line.place(AUDIO, number * 0.04, 0.04, START + number * 0.04 + late) or event
    assert line.jumps == 1
    assert event == pytest.approx(1000 * 0.04 + 5.0, abs=0.5)


def test_event_time_goes_on_by_the_wall_clock_when_a_source_is_opened_anew() -> None:
    line = LiveTimeline()
    before = [line.place(AUDIO, 100 + n * 0.04, 0.04, START + n * 0.04) for n in range(100)][-1]
    line.restart()
    after = [line.place(AUDIO, 7 + n * 0.04, 0.04, START + 24 + n * 0.04) for n in range(20)][-1]
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(24 - 80 * 0.04, abs=0.05)


@given(start=st.floats(0, WRAP), count=st.integers(2, 60), behind=st.integers(0, 20))
def test_wraps_are_seamless(start: float, count: int, behind: int) -> None:
    """The two kinds wrap at different frames, as one runs behind the other in the file."""
    line = RecordedTimeline(start)
    frames = [(n + (behind if kind is AUDIO else 0), n * 0.04, kind) for kind in (AUDIO, VIDEO) for n in range(count)]
    for _, time, kind in sorted(frames, key=lambda frame: frame[:2]):
        assert line.place(kind, (start + time) % WRAP, 0.04) == pytest.approx(time, abs=1e-6)
    assert line.jumps == 0


@given(gap=st.floats(0.1, GAP - 1), missing=st.integers(1, 5))
def test_a_gap_of_a_recording_stays_and_missing_timestamps_go_on(gap: float, missing: int) -> None:
    line = RecordedTimeline(0.0)
    events = [line.place(AUDIO, 0.0, 0.1)]
    events += [line.place(AUDIO, None, 0.1) for _ in range(missing)]
    assert events == pytest.approx([n * 0.1 for n in range(missing + 1)])
    end = (missing + 1) * 0.1
    assert line.place(AUDIO, end + gap, 0.1) == pytest.approx(end + gap)
    assert line.jumps == 0


@given(jump=st.one_of(st.floats(GAP + 1, 1e5), st.floats(-1e5, -2.0)).filter(lambda x: abs(abs(x) - WRAP) > 100))
def test_a_jump_of_a_recording_goes_on_just_after_the_last_frame(jump: float) -> None:
    line = RecordedTimeline(0.0)
    for number in range(50):
        pts = number * 0.1 + (jump if number >= 25 else 0.0)
        assert line.place(AUDIO, pts, 0.1) == pytest.approx(number * 0.1, abs=1e-6)
        assert line.place(VIDEO, pts, 0.1) == pytest.approx(number * 0.1, abs=1e-6)
    assert line.jumps == 1


KINDS = st.sampled_from([AUDIO, VIDEO])
PTS = st.one_of(st.none(), st.floats(-10, 10), st.floats(-1e6, 1e6))
STEPS = st.lists(st.tuples(KINDS, PTS, st.floats(0, 30)), max_size=60)


@given(steps=STEPS)
@settings(max_examples=200)
def test_whatever_the_timestamps_event_time_never_goes_back(steps: list[tuple[Modality, float | None, float]]) -> None:
    live, recorded, arrival = LiveTimeline(), RecordedTimeline(0.0), START
    lived: dict[Modality, float] = {}
    played: dict[Modality, float] = {}
    for kind, pts, pause in steps:
        arrival += pause
        event = live.place(kind, pts, 0.04, arrival)
        if event is not None and live.origin is not None:
            assert event >= lived.get(kind, 0.0)
            assert event + 0.04 <= arrival - live.origin + AHEAD + OVERLAP + 0.001
            lived[kind] = event
        event = recorded.place(kind, pts, 0.04)
        assert event >= played.get(kind, 0.0)
        played[kind] = event
