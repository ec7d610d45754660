"""Each window exactly once, in order, whatever the frames do, and never later than an idle clock allows."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.modality import Modality
from stream.windows import ClosedWindow, Windower

AUDIO, VIDEO = Modality.AUDIO, Modality.VIDEO
BOTH = frozenset({AUDIO, VIDEO})


def windower(
    kinds: frozenset[Modality] = BOTH, size: float = 4.0, hop: float = 0.5, lateness: float = 5.0, idle: float = 0.5
) -> Windower:
    return Windower("s", kinds, size, hop, lateness, idle)


def indices(closed: Sequence[ClosedWindow]) -> list[int]:
    return [one.window.index for one in closed]


def test_a_recordings_window_closes_when_every_kind_is_past_its_end() -> None:
    #        0         4    4.1
    # audio  |=========|====|
    # video  |=========|  ↑ closes here
    windows = windower()
    assert windows.push(AUDIO, 4.1) == []
    assert windows.push(VIDEO, 4.0) == []
    (closed,) = windows.push(VIDEO, 4.1)
    assert closed.window.index == 0


def test_a_live_window_closes_when_every_kind_has_reached_its_end() -> None:
    windows = windower()
    assert windows.push(AUDIO, 4.1, 4.1) == []
    assert windows.push(VIDEO, 3.9, 4.1) == []
    (closed,) = windows.push(VIDEO, 4.0, 4.1)
    assert (closed.window.index, closed.window.start, closed.window.end) == (0, 0.0, 4.0)
    assert closed.without == frozenset()


def test_in_a_file_a_kind_that_stopped_holds_windows_no_longer_than_the_lateness() -> None:
    # video  |====x (stopped at 1.0)
    # audio  |=========|=========|  window 0 ends at 4, lateness 5: closes once audio is at 9
    windows = windower()
    windows.push(VIDEO, 1.0)
    assert windows.push(AUDIO, 9.0) == []
    (closed,) = windows.push(AUDIO, 9.1)
    assert closed.window.index == 0 and closed.without == {VIDEO}


def test_live_a_kind_that_stopped_is_waited_for_no_longer_than_the_idle_time() -> None:
    # video  |=======x 3.9
    # audio  |=========|====   4.0  4.2  4.3  4.4
    # closes                                  ↑ 0.5 s after the last picture came
    windows = windower()
    windows.push(AUDIO, 3.9, 3.9)
    windows.push(VIDEO, 3.9, 3.9)
    assert [indices(windows.push(AUDIO, at, at)) for at in (4.0, 4.2, 4.3)] == [[], [], []]
    (closed,) = windows.push(AUDIO, 4.4, 4.4)
    assert closed.without == {VIDEO}
    (closed,) = windows.push(AUDIO, 4.5, 4.5)
    assert closed.window.index == 1 and closed.without == {VIDEO}


def test_a_kind_that_is_back_counts_again_at_once() -> None:
    windows = windower()
    for tenth in range(39):
        windows.push(VIDEO, tenth / 10, tenth / 10)
    for tenth in range(80):
        windows.push(AUDIO, tenth / 10, tenth / 10)
    windows.push(VIDEO, 7.95, 7.95)
    assert windows.push(AUDIO, 8.0, 8.0) == []
    (closed,) = windows.push(VIDEO, 8.05, 8.05)
    assert closed.window.end == 8.0 and closed.without == frozenset()


def test_when_nothing_comes_any_more_windows_close_as_time_goes_on() -> None:
    windows = windower()
    windows.push(AUDIO, 4.05, 4.05)
    assert indices(windows.push(VIDEO, 4.0, 4.05)) == [0]
    assert windows.next_deadline() == pytest.approx(4.55)
    assert windows.advance(4.54) == []
    assert indices(windows.advance(4.55)) == [1]
    assert windows.next_deadline() == pytest.approx(5.0)
    assert [(one.window.end, one.without) for one in windows.advance(5.5)] == [(5.0, BOTH), (5.5, BOTH)]


def test_a_slow_camera_has_not_gone() -> None:
    # pictures at 0, 1, 2, 3, 4 s; window 1 ends at 4.5: half a second after the last picture, and not without video
    windows = windower()
    for second in range(5):
        windows.push(AUDIO, second, second)
        windows.push(VIDEO, second, second)
    (closed,) = windows.push(AUDIO, 4.5, 4.5)
    assert closed.window.end == 4.5 and closed.without == frozenset()
    windows.push(AUDIO, 6.0, 6.0)
    assert windows.push(AUDIO, 6.5, 6.5)[-1].without == {VIDEO}


def test_a_kind_that_never_came_is_not_waited_for() -> None:
    windows = windower()
    closed = [one for tenth in range(41) for one in windows.push(AUDIO, tenth / 10, tenth / 10)]
    assert indices(closed) == [0] and closed[0].without == {VIDEO}


@pytest.mark.parametrize(
    ("length", "count"),
    [(0.1, 1), (2.4, 1), (4.0, 1), (4.01, 1), (4.3, 2), (11.0, 15), (11.3, 16), (19.69, 33)],
)
def test_the_end_of_a_stream_is_always_inside_the_last_window(length: float, count: int) -> None:
    windows = windower(frozenset({AUDIO}))
    closed = [*windows.push(AUDIO, length), *windows.finish()]
    assert indices(closed) == list(range(count))
    assert closed[-1].window.end >= length - 0.02


def test_what_ended_before_the_stream_is_missing_from_its_last_windows() -> None:
    # video  |===x 2.0
    # audio  |=========|==|  4.8: three windows, and video has gone from all
    windows = windower()
    windows.push(VIDEO, 2.0)
    windows.push(AUDIO, 4.8)
    assert [one.without for one in windows.finish()] == [{VIDEO}] * 3
    short = windower()
    short.push(VIDEO, 2.3)
    short.push(AUDIO, 2.4)
    assert [one.without for one in short.finish()] == [frozenset()]


def test_a_stream_without_frames_has_no_windows() -> None:
    windows = windower()
    assert windows.advance(100.0) == [] and windows.next_deadline() is None
    assert windows.finish() == []


steps = st.lists(st.tuples(st.sampled_from([AUDIO, VIDEO]), st.floats(0, 60)), max_size=60)
hops, sizes = st.sampled_from([0.3, 0.5, 1.0, 4.0, 7.0]), st.sampled_from([0.5, 4.0, 6.0])


@given(steps, hops, sizes, st.floats(0, 10))
def test_every_window_once_and_in_order_for_any_arrival(
    arrivals: list[tuple[Modality, float]], hop: float, size: float, lateness: float
) -> None:
    windows = windower(size=size, hop=hop, lateness=lateness)
    closed = [w for kind, until in arrivals for w in windows.push(kind, until)]
    closed += windows.finish()
    assert indices(closed) == list(range(len(closed)))
    assert all(w.window.start == w.window.index * hop and w.window.end == w.window.start + size for w in closed)
    if arrivals:
        end = max(until for _, until in arrivals)
        reach = closed[-1].window.end if hop <= size else closed[-1].window.start + hop
        assert reach >= end - 0.02 - 1e-9
    assert windows.finish() == []


records = st.lists(
    st.tuples(st.sampled_from([AUDIO, VIDEO, None]), st.floats(0, 3), st.floats(-2, 2)), min_size=1, max_size=60
)


@given(records, hops, sizes)
def test_live_no_window_is_later_than_the_idle_clock_allows(
    arrivals: list[tuple[Modality | None, float, float]], hop: float, size: float
) -> None:
    # every record comes `step` seconds after the one before, with a timestamp that is `off` seconds from the clock:
    # what keeps coming 2 s late is waited for, what does not come is not
    windows, now, begun = windower(size=size, hop=hop), 0.0, False
    closed: list[ClosedWindow] = []
    for kind, step, off in arrivals:
        due = windows.next_deadline()
        while begun and due is not None and due <= now + step:  # the pipeline wakes the windower at its deadline
            found = windows.advance(due)
            assert found, "a deadline closes a window"
            closed += found
            due = windows.next_deadline()
        now += step
        closed += windows.advance(now) if kind is None else windows.push(kind, max(0.0, now + off), now)
        begun = begun or kind is not None
        if begun:
            assert windows.window(len(closed)).end > now - windows.idle - 2.0 - 1e-6
    closed += windows.finish()
    assert indices(closed) == list(range(len(closed)))
