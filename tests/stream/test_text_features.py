"""Sentence vectors of real weights, and the rules that turn words into a window's text."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.errors import WeightsError
from stream.features.text import TextFrontEnd, recency
from stream.records import State, Utterance, Window, Word
from tests.stream.speech_clips import weights

WINDOW = Window("test", 20, 10.0, 14.0)


@pytest.fixture(scope="module")
def front() -> TextFrontEnd:
    return TextFrontEnd(weights("minilm-l6-v2"))


def said(text: str, end: float, probability: float = 0.95) -> Utterance:
    """Words of 0.3 s each, the last of which ends at `end`."""
    words = text.split()
    times = [end - 0.3 * (len(words) - index) for index in range(len(words))]
    spoken = tuple(Word(time, time + 0.3, word, probability, True) for word, time in zip(words, times, strict=True))
    return Utterance(times[0], end + 0.3, spoken, True)


def test_vectors_know_what_is_meant(front: TextFrontEnd) -> None:
    lines = ["I am so happy today", "What a joyful day this is", "I am so sad today", "The train leaves at nine"]
    happy, joyful, sad, train = front.vectors(lines)
    assert happy @ joyful > max(joyful @ sad, joyful @ train)
    assert np.allclose(np.linalg.norm(front.vectors(lines), axis=1), 1.0, atol=1e-5)


def test_a_text_has_one_vector_whatever_it_is_batched_with(front: TextFrontEnd) -> None:
    texts = ["no", "and so my fellow americans ask not what your country can do for you", "", "why not then"] * 12
    together = front.vectors(texts)
    alone = np.concatenate([front.vectors([text]) for text in texts[:4]])
    assert together.shape == (48, TextFrontEnd.WIDTH)
    assert np.allclose(together[:4], alone, atol=1e-5) and np.allclose(together[44:], alone, atol=1e-5)
    assert front.vectors([]).shape == (0, TextFrontEnd.WIDTH)


def test_of_a_long_text_the_end_counts(front: TextFrontEnd) -> None:
    long = front.vectors(["blah " * 400 + "I love you so very much"])[0]
    assert np.array_equal(long, front.vectors(["something else " * 300 + "blah " * 400 + "I love you so very much"])[0])
    assert not np.allclose(long, front.vectors(["blah " * 400])[0], atol=1e-2)


def test_a_sentence_is_read_from_its_beginning_even_before_the_window(front: TextFrontEnd) -> None:
    #            7.6 ...... window 10 ............ 13.6   14
    features = front.window([said("a sentence of twenty words " * 4, 13.6)], WINDOW)
    assert features.state is State.OK and features.reason is None
    assert np.allclose(features.values, front.vectors([("a sentence of twenty words " * 4).strip()])[0], atol=1e-5)
    assert features.age == pytest.approx(0.4) and features.quality == pytest.approx(0.95)


def test_words_after_the_end_of_the_window_are_not_known_yet(front: TextFrontEnd) -> None:
    features = front.window([said("one two three four", 14.5)], WINDOW)
    assert np.allclose(features.values, front.vectors(["one two"])[0], atol=1e-5)


def test_utterances_of_one_window_are_one_text(front: TextFrontEnd) -> None:
    features = front.window([said("well hello there", 11.0), said("how are you", 13.9)], WINDOW)
    assert np.allclose(features.values, front.vectors(["well hello there how are you"])[0], atol=1e-5)


def test_what_ended_before_the_window_is_not_in_it(front: TextFrontEnd) -> None:
    features = front.window([said("long ago", 9.9)], WINDOW)
    assert (features.state, features.reason, features.quality) == (State.MISSING, "no words", 0.0)
    assert not features.values.any() and features.age == pytest.approx(4.1)


def test_no_words_at_all(front: TextFrontEnd) -> None:
    features = front.window([], WINDOW)
    assert features.state is State.MISSING and not features.present and features.age == 14.0
    assert features.values.shape == (TextFrontEnd.WIDTH,)


def test_old_words_are_stale_and_unsure_ones_degraded(front: TextFrontEnd) -> None:
    stale = front.window([said("hello there", 11.5)], WINDOW)
    assert (stale.state, stale.reason) == (State.STALE, "last word 2.5 s ago") and stale.present
    unsure = front.window([said("hello there", 13.9, probability=0.3)], WINDOW)
    assert (unsure.state, unsure.reason) == (State.DEGRADED, "unsure words") and unsure.present


def test_quality_falls_with_age_and_with_doubt(front: TextFrontEnd) -> None:
    aged = [front.window([said("hello there", end)], WINDOW).quality for end in (13.9, 13.0, 12.0, 11.0, 10.2)]
    doubted = [front.window([said("hello there", 13.9, p)], WINDOW).quality for p in (1.0, 0.8, 0.5, 0.2, 0.0)]
    for steps in (aged, doubted):
        assert all(a > b for a, b in pairwise(steps)) and 0.0 <= steps[-1] <= steps[0] <= 1.0
    assert recency(0.0) == recency(0.5) == 1.0


def test_an_unchanged_text_is_not_computed_again(front: TextFrontEnd) -> None:
    text = [said("the very same words", 13.0)]
    first, second = front.window(text, WINDOW), front.window(text, Window("test", 21, 10.5, 14.5))
    assert first.values is second.values and second.age > first.age
    with pytest.raises(ValueError, match="read-only"):
        first.values[0] = 1.0


def test_a_folder_without_weights_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no sentence encoder could be loaded") as refusal:
        TextFrontEnd(tmp_path)
    assert "\n" not in str(refusal.value)
