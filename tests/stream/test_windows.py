"""Each window exactly once, in order, whatever the frames do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.modality import Modality
from stream.windows import Windower

AUDIO, VIDEO = Modality.AUDIO, Modality.VIDEO
BOTH = frozenset({AUDIO, VIDEO})


def windower(kinds: frozenset[Modality] = BOTH, size: float = 4.0, hop: float = 0.5, lateness: float = 5.0) -> Windower:
    return Windower("s", kinds, size, hop, lateness)


def test_a_window_closes_when_every_kind_is_past_its_end() -> None:
    #        0         4    4.1
    # audio  |=========|====|
    # video  |=========|  ↑ closes here
    windows = windower()
    assert windows.push(AUDIO, 4.1) == []
    assert windows.push(VIDEO, 4.0) == []
    (closed,) = windows.push(VIDEO, 4.1)
    assert (closed.index, closed.start, closed.end) == (0, 0.0, 4.0)


def test_a_kind_that_stopped_holds_windows_no_longer_than_the_lateness() -> None:
    # video  |====x (stopped at 1.0)
    # audio  |=========|=========|  window 0 ends at 4, lateness 5: closes once audio is past 9
    windows = windower()
    windows.push(VIDEO, 1.0)
    assert windows.push(AUDIO, 9.0) == []
    assert [w.index for w in windows.push(AUDIO, 9.1)] == [0]


@pytest.mark.parametrize(
    ("length", "count"),
    [(0.1, 1), (2.4, 1), (4.0, 1), (4.01, 1), (4.3, 2), (11.0, 15), (11.3, 16), (19.69, 33)],
)
def test_the_end_of_a_stream_is_always_inside_the_last_window(length: float, count: int) -> None:
    windows = windower(frozenset({AUDIO}))
    closed = [*windows.push(AUDIO, length), *windows.finish()]
    assert [w.index for w in closed] == list(range(count))
    assert closed[-1].end >= length - 0.02


def test_a_stream_without_frames_has_no_windows() -> None:
    assert windower().finish() == []


steps = st.lists(st.tuples(st.sampled_from([AUDIO, VIDEO]), st.floats(0, 60)), max_size=60)


@given(steps, st.sampled_from([0.3, 0.5, 1.0, 4.0, 7.0]), st.sampled_from([0.5, 4.0, 6.0]), st.floats(0, 10))
def test_every_window_once_and_in_order_for_any_arrival(
    arrivals: list[tuple[Modality, float]], hop: float, size: float, lateness: float
) -> None:
    windows = windower(size=size, hop=hop, lateness=lateness)
    closed = [w for kind, until in arrivals for w in windows.push(kind, until)]
    closed += windows.finish()
    assert [w.index for w in closed] == list(range(len(closed)))
    assert all(w.start == w.index * hop and w.end == w.start + size for w in closed)
    if arrivals:
        end = max(until for _, until in arrivals)
        reach = closed[-1].end if hop <= size else closed[-1].start + hop
        assert reach >= end - 0.02 - 1e-9
    assert windows.finish() == []
