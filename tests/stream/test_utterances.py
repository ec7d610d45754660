"""The utterance tracker: timelines of speech in, recognition passes out. No model, no clock."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stream.speech.utterances import Pass, UtteranceRules, UtteranceTracker
from stream.speech.vad import SpeechChunk

STEP = 0.1  # seconds per character of a timeline
RULES = UtteranceRules()


def timeline(drawn: str, start: float = 0.0) -> list[SpeechChunk]:
    """`#` is speech, `_` is not, `~` is speech the network is hardly sure of."""
    sure = {"#": 0.95, "_": 0.02, "~": 0.55}
    return [
        SpeechChunk(start + index * STEP, start + (index + 1) * STEP, sure[mark]) for index, mark in enumerate(drawn)
    ]


def passes(drawn: str) -> list[Pass]:
    tracker = UtteranceTracker()
    return tracker.push(timeline(drawn)) + tracker.finish()


def finals(found: Sequence[Pass]) -> list[tuple[float, float]]:
    return [(round(one.start, 3), round(one.end, 3)) for one in found if one.final]


def test_silence_asks_for_nothing() -> None:
    assert passes("_" * 300) == []


def test_a_click_is_not_read() -> None:
    assert passes("_____#" + "_" * 30) == []


def test_an_utterance_from_its_lead_in_to_its_tail() -> None:
    #          0.5     1.5
    found = passes("_" * 5 + "#" * 10 + "_" * 20)
    assert finals(found) == [(0.25, 1.8)]
    assert round(found[-1].at, 3) == 3.0  # 1.5 s after the last speech


def test_a_growing_utterance_is_read_every_second_and_at_a_pause() -> None:
    #           partials at 1.1 2.2      pause at 2.8
    found = passes("#" * 25 + "_" * 8 + "#" * 3 + "_" * 20)
    assert [round(one.at, 3) for one in found] == [1.1, 2.1, 2.9, 4.0, 5.1]
    assert [one.final for one in found] == [False, False, False, False, True]
    assert all(one.start == 0.0 for one in found)


def test_a_long_utterance_is_read_less_often() -> None:
    at = [one.at for one in passes("#" * 110 + "_" * 20)]
    steps = [round(b - a, 3) for a, b in pairwise(at)]
    assert steps[:7] == [1.0] * 7 and 1.0 < steps[7] <= steps[8] <= 1.5


def test_an_orators_pause_does_not_end_a_sentence() -> None:
    assert finals(passes("#" * 8 + "_" * 12 + "#" * 8 + "_" * 20)) == [(0.0, 3.1)]


def test_a_long_silence_ends_one_utterance_and_speech_opens_the_next() -> None:
    assert finals(passes("#" * 8 + "_" * 20 + "#" * 8 + "_" * 20)) == [(0.0, 1.1), (2.55, 3.9)]


def test_a_final_pass_over_what_was_read_at_the_pause_says_so() -> None:
    found = passes("#" * 8 + "_" * 20)
    assert [(one.final, one.repeats) for one in found] == [(False, False), (True, True)]
    assert (found[0].start, found[0].end) == (found[1].start, found[1].end)


def test_a_long_utterance_is_cut_in_its_longest_late_pause() -> None:
    drawn = "#" * 30 + "___" + "#" * 40 + "__" + "#" * 20 + "____" + "#" * 40 + "_" * 20
    # quiet:           3.0-3.3        7.3-7.5       9.5-9.9
    found = finals(passes(drawn))
    assert len(found) == 2 and 9.5 <= found[0][1] <= 9.9 and found[1][0] >= found[0][1]


def test_without_any_pause_the_cut_is_where_speech_is_least_sure() -> None:
    found = finals(passes("#" * 100 + "~" + "#" * 60 + "_" * 20))
    assert found[0] == (0.0, 10.0) and found[1][0] == 10.0


def test_what_follows_a_cut_is_read_at_once() -> None:
    found = passes("#" * 100 + "~" + "#" * 60 + "_" * 20)
    cut = next(index for index, one in enumerate(found) if one.final)
    assert not found[cut + 1].final
    assert found[cut + 1].at == found[cut].at
    assert found[cut + 1].start == found[cut].end


def test_a_hole_in_the_sound_ends_the_utterance() -> None:
    tracker = UtteranceTracker()
    found = tracker.push(timeline("#" * 10) + timeline("#" * 10, start=20.0)) + tracker.finish()
    assert finals(found) == [(0.0, 1.0), (20.0, 21.0)]


def test_the_end_of_the_sound_ends_the_utterance() -> None:
    assert finals(passes("__" + "#" * 7)) == [(0.0, 0.9)]


TIMELINES = st.lists(
    st.tuples(st.sampled_from("#_~"), st.integers(1, 60)).map(lambda run: run[0] * run[1]), min_size=1, max_size=12
).map("".join)


@given(drawn=TIMELINES, cuts=st.lists(st.integers(1, 50), max_size=20))
def test_the_passes_do_not_depend_on_how_the_chunks_were_handed_over(drawn: str, cuts: list[int]) -> None:
    chunks, tracker, found = timeline(drawn), UtteranceTracker(), []
    for size in cuts:
        found += tracker.push(chunks[:size])
        chunks = chunks[size:]
    assert found + tracker.push(chunks) + tracker.finish() == passes(drawn)


@given(drawn=TIMELINES)
def test_laws_of_passes(drawn: str) -> None:
    found = passes(drawn)
    closed = float("-inf")
    for before, one in zip([None, *found], found, strict=False):
        assert one.end <= one.at + 1e-9, "no pass reads sound that has not come yet"
        assert 0.0 < one.end - one.start <= RULES.longest + STEP
        assert before is None or before.at <= one.at
        assert one.start >= closed, "no sound belongs to two utterances"
        if one.final:
            closed = one.end
    assert not found or found[-1].final, "an utterance that was opened is closed"


@given(drawn=TIMELINES)
def test_all_speech_but_clicks_is_read(drawn: str) -> None:
    read = [(one.start, one.end) for one in passes(drawn) if one.final]
    for chunk in timeline(drawn):
        inside = any(start - 1e-9 <= chunk.start and chunk.end <= end + 1e-9 for start, end in read)
        first = round(chunk.start / STEP)
        lonely = sum(mark != "_" for mark in drawn[max(0, first - 15) : first + 16]) * STEP < RULES.least_speech + 1e-9
        assert inside or lonely or not chunk.speech
