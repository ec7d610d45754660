"""The utterance tracker: timelines of speech in, marks out. No model, no clock."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.speech.utterances import Mark, Turn, UtteranceRules, UtteranceTracker
from tests.stream.timelines import STEP, TIMELINES, timeline

RULES = UtteranceRules()


def marks(drawn: str) -> list[Mark]:
    tracker = UtteranceTracker()
    return tracker.push(timeline(drawn)) + tracker.finish()


def times(found: Sequence[Mark], turn: Turn) -> list[float]:
    return [round(mark.time, 3) for mark in found if mark.turn is turn]


def at(found: Sequence[Mark], turn: Turn) -> list[float]:
    return [round(mark.at, 3) for mark in found if mark.turn is turn]


def test_silence_marks_nothing() -> None:
    assert marks("_" * 300) == []


def test_a_click_is_not_read() -> None:
    found = marks("_____#" + "_" * 30)
    assert [mark.turn for mark in found] == [Turn.OPEN, Turn.SETTLED, Turn.CLOSED]


def test_an_utterance_from_its_lead_in_to_its_tail() -> None:
    #       0.5     1.5
    found = marks("_" * 5 + "#" * 10 + "_" * 20)
    assert (times(found, Turn.OPEN), times(found, Turn.CLOSED)) == ([0.25], [1.8])
    assert at(found, Turn.CLOSED) == [3.0]  # 1.5 s after the last speech


def test_the_end_of_speech_is_read_at_once_and_settled_soon() -> None:
    found = marks("#" * 8 + "_" * 20)
    assert at(found, Turn.READ) == [0.5, 1.1]  # half a second of speech; 0.3 s of silence
    assert (times(found, Turn.SETTLED), at(found, Turn.SETTLED)) == ([0.8], [1.3])


def test_a_growing_utterance_is_read_early_then_every_second_and_at_a_pause() -> None:
    found = marks("#" * 25 + "_" * 8 + "#" * 3 + "_" * 20)
    assert at(found, Turn.READ) == [0.5, 1.5, 2.5, 3.5, 3.9]
    assert times(found, Turn.OPEN) == [0.0] and len(times(found, Turn.CLOSED)) == 1


def test_an_orators_pause_does_not_end_a_sentence() -> None:
    found = marks("#" * 8 + "_" * 12 + "#" * 8 + "_" * 20)
    assert (times(found, Turn.OPEN), times(found, Turn.CLOSED)) == ([0.0], [3.1])
    assert times(found, Turn.SETTLED) == [0.8, 2.8]  # yet the words before it are final


def test_a_long_silence_ends_one_utterance_and_speech_opens_the_next() -> None:
    found = marks("#" * 8 + "_" * 20 + "#" * 8 + "_" * 20)
    assert (times(found, Turn.OPEN), times(found, Turn.CLOSED)) == ([0.0, 2.55], [1.1, 3.9])


def test_a_long_utterance_is_cut_in_its_longest_late_pause() -> None:
    drawn = "#" * 30 + "___" + "#" * 40 + "__" + "#" * 20 + "____" + "#" * 40 + "_" * 20
    # quiet:           3.0-3.3        7.3-7.5       9.5-9.9
    found = times(marks(drawn), Turn.CUT)
    assert len(found) == 1 and 9.5 <= found[0] <= 9.9


def test_without_any_pause_the_cut_is_where_speech_is_least_sure() -> None:
    assert times(marks("#" * 100 + "~" + "#" * 60 + "_" * 20), Turn.CUT)[0] == 10.0


def test_a_hole_in_the_sound_ends_the_utterance() -> None:
    tracker = UtteranceTracker()
    found = tracker.push(timeline("#" * 10) + timeline("#" * 10, start=20.0)) + tracker.finish()
    assert (times(found, Turn.OPEN), times(found, Turn.CLOSED)) == ([0.0, 20.0], [1.0, 21.0])


def test_the_end_of_the_sound_ends_the_utterance() -> None:
    found = marks("__" + "#" * 7)
    assert times(found, Turn.CLOSED) == [0.9] and times(found, Turn.READ)[-1] == 0.9


@settings(deadline=None)
@given(drawn=TIMELINES, cuts=st.lists(st.integers(1, 50), max_size=20))
def test_the_marks_do_not_depend_on_how_the_chunks_were_handed_over(drawn: str, cuts: list[int]) -> None:
    chunks, tracker, found = timeline(drawn), UtteranceTracker(), []
    for size in cuts:
        found += tracker.push(chunks[:size])
        chunks = chunks[size:]
    assert found + tracker.push(chunks) + tracker.finish() == marks(drawn)


@settings(deadline=None)
@given(drawn=TIMELINES)
def test_laws_of_marks(drawn: str) -> None:
    found = marks(drawn)
    assert all(before.at <= mark.at for before, mark in pairwise(found))
    start = closed = float("-inf")
    for mark in found:
        assert mark.time <= mark.at + 1e-9, "no mark knows sound that has not come yet"
        if mark.turn is Turn.OPEN:
            assert mark.time >= closed, "no sound belongs to two utterances"
            start = mark.time
        elif mark.turn in {Turn.CUT, Turn.CLOSED}:
            assert 0.0 < mark.time - start <= RULES.longest + RULES.silence + STEP
            start = closed = mark.time
        else:
            assert mark.time > closed or mark.turn is Turn.SETTLED
    turns = [mark.turn for mark in found if mark.turn in {Turn.OPEN, Turn.CLOSED}]
    assert turns == [Turn.OPEN, Turn.CLOSED] * (len(turns) // 2), "what was opened is closed, one at a time"


@settings(deadline=None)
@given(drawn=TIMELINES)
def test_all_speech_but_clicks_is_read_by_the_end_of_its_utterance(drawn: str) -> None:
    found = marks(drawn)
    read = [mark.time for mark in found if mark.turn is Turn.READ]
    start = 0.0
    for mark in found:
        if mark.turn is Turn.OPEN:
            start = mark.time
        elif mark.turn is Turn.CLOSED:
            inside = [chunk for chunk in timeline(drawn) if chunk.speech and start <= chunk.start < mark.time]
            enough = len(inside) * STEP >= RULES.least_speech - 1e-9
            reached = any(start < time <= mark.time + 1e-9 and time >= inside[-1].end - 1e-9 for time in read)
            assert reached or not enough
