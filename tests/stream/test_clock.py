"""Event time as arrivals tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.clock import EventClock


def test_the_arrival_with_the_least_delay_tells_the_time() -> None:
    # a backlog comes first: frames of 0.0, 0.1, ... all at once at 100 s, then one with only 0.2 s of delay
    clock = EventClock()
    for tenth in range(10):
        clock.came(100.0, tenth / 10)
    assert clock.at(100.0) == pytest.approx(0.9)
    clock.came(102.0, 1.8)
    assert clock.at(102.0) == pytest.approx(2.9)
    assert clock.moment(2.9) == pytest.approx(102.0)


def test_a_source_whose_clock_runs_slow_does_not_fall_behind() -> None:
    clock = EventClock(memory=30.0)
    for second in range(3600):
        clock.came(second, second * (1 - 1e-3))
    assert clock.at(3600) - 3600 * (1 - 1e-3) < 0.1


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0, 5)), max_size=80))
def test_event_time_never_goes_back(steps: list[tuple[float, float]]) -> None:
    clock, now, before = EventClock(memory=3.0), 50.0, 0.0
    for step, delay in steps:
        now += step
        clock.came(now, max(0.0, now - 50.0 - delay))
        after = clock.at(now)
        assert after >= before
        before = after
