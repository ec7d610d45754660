"""A law that is broken is noticed, and one that holds is not complained about."""

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.bench.faults import Fault, FaultKind, FaultyReel, schedule
from stream.bench.laws import bounded, counted, in_its_place, never_silent, once_and_in_order, trust_shared, valid
from stream.records import AudioFrame, VideoFrame
from tests.stream.events import event
from tests.stream.test_bench_feeding import short_reel

GOOD = [event(index) for index in range(6)]


def test_good_events_break_no_law() -> None:
    for law in (once_and_in_order(GOOD, ["s"]), in_its_place(GOOD, 0.5, 4.0), valid(GOOD), trust_shared(GOOD)):
        assert law.held, law


@pytest.mark.parametrize("order", [[0, 1, 3], [0, 1, 1, 2], [0, 2, 1], [1, 2, 3], []])
def test_windows_that_miss_repeat_or_change_places_are_found(order: list[int]) -> None:
    assert not once_and_in_order([event(index) for index in order], ["s"]).held


def test_streams_are_counted_each_for_itself() -> None:
    both = [event(0, stream="a"), event(0, stream="b"), event(1, stream="a"), event(1, stream="b")]
    assert once_and_in_order(both, ["a", "b"]).held
    assert not once_and_in_order(both, ["a", "b", "c"]).held


def test_a_window_at_another_place_is_found() -> None:
    moved = replace(GOOD[3], window=replace(GOOD[3].window, start=1.7, end=5.7))
    assert not in_its_place([*GOOD[:3], moved], 0.5, 4.0).held


def test_an_event_that_does_not_fit_the_schema_is_found() -> None:
    assert not valid([replace(GOOD[0], faces=-1)]).held
    assert not valid([replace(GOOD[0], sentiment=replace(GOOD[0].sentiment, score=float("nan")))]).held


def test_trust_in_what_is_missing_is_found() -> None:
    blind = event(0, frozenset({Modality.AUDIO, Modality.TEXT}))
    assert trust_shared([blind]).held
    assert trust_shared([event(0, frozenset())]).held
    assert not trust_shared([replace(blind, trust={**blind.trust, Modality.VIDEO: 0.1})]).held
    assert not trust_shared([replace(blind, trust={**blind.trust, Modality.AUDIO: 0.1})]).held


def test_silence_is_found_in_the_middle_and_at_both_ends() -> None:
    times = [4.0, 4.5, 5.0, 5.5, 6.0, 6.5]
    assert never_silent(GOOD, times, {"s": (4.0, 7.0)}, 1.0).held
    assert not never_silent(GOOD, [4.0, 4.5, 5.0, 7.5, 8.0, 8.5], {"s": (4.0, 9.0)}, 1.0).held
    assert not never_silent(GOOD, times, {"s": (4.0, 8.0)}, 1.0).held
    assert not never_silent(GOOD, times, {"s": (2.0, 7.0)}, 1.0).held
    assert not never_silent([], [], {"s": (0.0, 9.0)}, 1.0).held


def test_memory_that_grows_is_found() -> None:
    assert bounded([500.0, 900.0, 900.0, 905.0, 903.0, 910.0, 902.0, 901.0]).held
    assert not bounded([900.0 + 50 * n for n in range(12)]).held


def test_what_is_lost_without_being_counted_is_found() -> None:
    assert counted({"pictures": 10, "sound": 4}, {"pictures": 10, "sound": 4}).held
    law = counted({"pictures": 10, "sound": 4}, {"pictures": 7, "sound": 4})
    assert not law.held
    assert "3 of 10 pictures" in law.detail


def test_the_same_seed_gives_the_same_faults_and_every_kind_has_its_turn() -> None:
    one, two, other = (schedule(120.0, tuple(FaultKind), np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one == two != other
    assert {fault.kind for fault in one} == set(FaultKind)
    assert all(a.end <= b.start for a, b in pairwise(one))
    assert one[-1].end <= 120.0


def handed(fault: Fault, seconds: float = 6.0) -> list[tuple[float, AudioFrame | VideoFrame]]:
    """What a reel hands on while it has this fault."""
    reel = FaultyReel(short_reel(), [fault], seed=1)
    found = list(islice(reel.handed(), round(20 * seconds)))
    assert [moment for moment, _ in found] == sorted(moment for moment, _ in found)
    assert reel.touched[fault.kind] > 0
    return found


def test_a_burst_comes_at_once_and_keeps_its_timestamps() -> None:
    late = [(m, f.pts) for m, f in handed(Fault(FaultKind.BURST, 1.0, 2.5)) if 1.0 <= f.pts < 2.3]
    assert len(late) > 20
    assert {moment for moment, _ in late} == {2.5}


def test_shuffled_frames_are_out_of_order_and_none_is_lost() -> None:
    found = handed(Fault(FaultKind.SHUFFLED, 1.0, 3.0))
    times = [f.pts for _, f in found if isinstance(f, VideoFrame)]
    assert times != sorted(times)
    assert np.allclose(np.diff(sorted(times)), 0.1)


def test_timestamps_jump_for_good() -> None:
    found = handed(Fault(FaultKind.FORWARD, 2.0, 3.0, size=5.0))
    for moment, frame in found:
        due = frame.end if isinstance(frame, AudioFrame) else frame.pts
        assert due - moment == pytest.approx(5.0 if moment >= 2.0 - 1e-6 else 0.0, abs=1e-6)


def test_what_is_gone_comes_back() -> None:
    found = handed(Fault(FaultKind.CAMERA_GONE, 2.0, 3.0))
    seen = [f.pts for _, f in found if isinstance(f, VideoFrame)]
    assert max(np.diff(seen)) == pytest.approx(1.1)
    heard = [f.pts for _, f in found if isinstance(f, AudioFrame)]
    assert max(np.diff(heard)) == pytest.approx(0.1)


def test_spoiled_frames_are_as_their_fault_says() -> None:
    for kind in (FaultKind.ONE_PIXEL, FaultKind.RESIZED, FaultKind.NOT_A_NUMBER, FaultKind.UNSTAMPED):
        inside = [f for m, f in handed(Fault(kind, 2.0, 3.0)) if 2.0 <= m < 3.0]
        pictures = [f for f in inside if isinstance(f, VideoFrame)]
        pieces = [f for f in inside if isinstance(f, AudioFrame)]
        if kind is FaultKind.ONE_PIXEL:
            assert {f.image.shape for f in pictures} == {(1, 1, 3)}
        elif kind is FaultKind.RESIZED:
            assert len({f.image.shape for f in pictures}) > 5
        elif kind is FaultKind.NOT_A_NUMBER:
            assert all(np.isnan(f.samples).all() for f in pieces)
        else:
            assert all(np.isnan(f.pts) for f in inside)
