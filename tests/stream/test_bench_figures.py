"""The statistics of the benchmarks, on numbers and events made by hand."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from ebmc_core.modality import Modality
from stream.bench.disturbances import Span
from stream.bench.quantiles import slope, spread
from stream.bench.response import deviation, even_score, respond
from stream.bench.search import largest
from stream.bench.words import Stretch, first_final, settled, stretches
from stream.event import Sentiment, SentimentEvent, Transcript
from stream.records import Word
from stream.speech.vad import SpeechChunk
from tests.stream.events import event

TEXT, AUDIO, VIDEO = Modality.TEXT, Modality.AUDIO, Modality.VIDEO


def test_quantiles_of_a_hundred_and_one() -> None:
    found = spread([float(n) for n in range(101)])
    assert (found.count, found.p50, found.p95, found.p99, found.worst) == (101, 50, 95, 99, 100)
    assert spread([]).p50 is None


def test_a_slope_is_not_bent_by_an_outlier() -> None:
    times = list(np.arange(0, 10, 0.1))
    values = [5 + 2.5 * t for t in times]
    values[50] = 1e6
    assert slope(times, values) == pytest.approx(2.5)
    assert slope(times, [7.0] * 100) == 0
    assert slope([1.0], [1.0]) is None


@pytest.mark.parametrize(("most", "limit", "found"), [(32, 11, 11), (32, 0, 0), (8, 100, 8), (1, 1, 1), (6, 5, 5)])
def test_the_largest_that_holds_is_found_and_none_is_tried_twice(most: int, limit: int, found: int) -> None:
    tried: list[int] = []

    def holds(number: int) -> bool:
        tried.append(number)
        return number <= limit

    assert largest(holds, most) == found
    assert len(tried) == len(set(tried))
    assert max(tried) <= most


def said(index: int, words: list[tuple[float, float, str, bool]]) -> SentimentEvent:
    """An event that shows these words: start, end, text, final."""
    found = tuple(Word(start, end, text, 0.9, final) for start, end, text, final in words)
    return replace(event(index), transcript=Transcript(" ".join(word.text for word in found), True, found))


def test_speech_is_cut_at_pauses_and_clicks_are_left_out() -> None:
    spoken = [(0.0, 1.0), (1.2, 2.0), (3.0, 3.1), (4.0, 5.0)]
    chunks = [SpeechChunk(t, t + 0.1, 0.9) for a, b in spoken for t in np.arange(a, b - 0.01, 0.1)]
    found = stretches(chunks)
    assert [(round(s.start, 2), round(s.end, 2)) for s in found] == [(0.0, 2.0), (4.0, 5.0)]


def test_words_count_when_all_of_the_stretch_are_final_as_they_stay() -> None:
    #                       one 4.0-4.4   two 4.5-5.0 | end of the stretch
    events = [
        said(2, [(4.0, 4.4, "won", True)]),  # window ends at 6.0: an early version
        said(3, [(4.0, 4.4, "one", True)]),  # the second word is still missing
        said(4, [(4.0, 4.4, "one", True), (4.5, 5.0, "two", False)]),
        said(5, [(4.0, 4.4, "one", True), (4.5, 5.0, "two", True)]),
        said(6, [(4.0, 4.4, "one", True), (4.5, 5.0, "two", True)]),
    ]
    assert first_final(Stretch(4.0, 5.0), settled(events), events) == 3
    assert first_final(Stretch(4.0, 5.0), settled(events[:3]), events[:3]) is None
    assert first_final(Stretch(1.0, 2.0), settled(events), events) is None  # nothing was recognised there


def test_words_that_the_window_has_left_behind_are_not_asked_for() -> None:
    whole = said(0, [(0.1, 0.4, "long", False), (3.5, 3.9, "ago", False)])
    later = said(2, [(3.5, 3.9, "ago", True)])  # its window begins at 1.0
    words = [Word(0.1, 0.4, "long", 0.9, False), Word(3.5, 3.9, "ago", 0.9, True)]
    assert first_final(Stretch(0.1, 3.9), words, [whole, later]) == 1


def trusted(index: int, trust: Mapping[Modality, float], score: float = 0.0) -> SentimentEvent:
    """An event with this trust and this score."""
    shown = event(index)
    return replace(shown, trust=trust, sentiment=replace(shown.sentiment, score=score))


def line(video: list[float]) -> list[SentimentEvent]:
    """Windows of 4 s every 0.5 s whose trust in video is given; the first one ends at 4 s."""
    return [trusted(n, {TEXT: 0.0, AUDIO: 1 - share, VIDEO: share}) for n, share in enumerate(video)]


def test_a_drop_is_answered_when_trust_is_zero_and_is_over_at_ninety_percent() -> None:
    #  window ends: 4.0 … 10.0 | 10.5 11.0 11.5 | 15.0 … 20.0 | 20.5 21.0 21.5
    clean = line([0.6] * 45)
    share = [0.6] * 13 + [0.4, 0.2] + [0.0] * 18 + [0.3, 0.53, 0.55] + [0.6] * 9
    found = respond(clean, line(share), VIDEO, gone=True, span=Span(10.0, 20.0))
    assert found.react == pytest.approx(1.5)
    assert found.recover == pytest.approx(1.5)  # 0.53 is not yet 90 % of 0.6, 0.55 is
    assert found.before == pytest.approx(0.6)
    assert found.during == 0
    assert found.after == pytest.approx(0.6)


def test_noise_is_answered_when_half_of_the_fall_is_there() -> None:
    clean = line([0.6] * 45)
    share = [0.6] * 13 + [0.5, 0.45, 0.39] + [0.2] * 17 + [0.6] * 12
    found = respond(clean, line(share), VIDEO, gone=False, span=Span(10.0, 20.0))
    assert found.during == pytest.approx(0.2)
    assert found.react == pytest.approx(1.5)
    same = respond(clean, clean, VIDEO, gone=False, span=Span(10.0, 20.0))
    assert same.react is None


def test_trust_that_falls_in_the_clean_run_too_is_no_answer() -> None:
    share = [0.6] * 13 + [0.2] * 20 + [0.6] * 12
    found = respond(line(share), line(share), VIDEO, gone=False, span=Span(10.0, 20.0))
    assert found.react is None
    assert found.during == found.clean == pytest.approx(0.2)


def test_deviation_is_the_mean_distance_in_the_windows_that_are_touched() -> None:
    even = {TEXT: 1 / 3, AUDIO: 1 / 3, VIDEO: 1 / 3}
    clean = [trusted(n, even, 0.5) for n in range(45)]
    disturbed = [trusted(n, even, 0.5 if n < 13 else 0.1) for n in range(45)]
    oracle = [trusted(n, even, 0.4) for n in range(45)]
    found = deviation(clean, disturbed, oracle, Span(10.0, 12.0))
    assert found.fused == pytest.approx(0.4)
    assert found.oracle == pytest.approx(0.1)
    assert found.even == 0


def test_even_weights_are_over_what_is_present() -> None:
    shown = event(0, frozenset({AUDIO, VIDEO}))
    reports = {
        m: replace(report, score=score)
        for (m, report), score in zip(shown.modalities.items(), (None, 0.2, -0.6), strict=True)
    }
    assert even_score(replace(shown, modalities=reports)) == pytest.approx(-0.2)
    nothing = replace(event(0, frozenset()), sentiment=Sentiment(None, "unknown", None, None))
    assert even_score(nothing) is None
