"""Words that settle: drawn speech and drawn hypotheses in, utterances out. No model, no clock."""

import math
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.records import Utterance, Word
from stream.speech.asr import Hypothesis, Piece
from stream.speech.stretch import CONTEXT, LONGEST_READ, Request
from stream.speech.transcript import STALE, Transcript
from tests.stream.timelines import STEP, TIMELINES, timeline

LAG = 6.0


def heard(words: str, request: Request, begin: float, pace: float = 0.4) -> Hypothesis:
    """Words in a row from event time `begin` on, one every `pace` seconds."""
    first = begin - request.start
    pieces = [
        Piece(word, first + number * pace, first + (number + 1) * pace, 0.9, (hash(word) % 1000,))
        for number, word in enumerate(words.split())
    ]
    return Hypothesis(tuple(pieces), -0.2, 0.1)


def words(transcript: Transcript) -> list[Word]:
    return [word for said in transcript.utterances(-math.inf) for word in said.words]


def shown(transcript: Transcript) -> str:
    """The words, final ones in capitals."""
    return " ".join(word.text.upper() if word.final else word.text.lower() for word in words(transcript))


class Reader:
    """Draws speech into a transcript and answers its passes as the test says."""

    def __init__(self, lag: float = LAG) -> None:
        self.transcript, self._now = Transcript(lag), 0.0

    def listen(self, drawn: str) -> None:
        for chunk in timeline(drawn, self._now):
            self.transcript.push(chunk)
        self._now += len(drawn) * STEP

    def read(self, said: str, begin: float) -> Request:
        request = self.transcript.begin()
        assert request
        self.transcript.apply(heard(said, request, begin))
        return request


def test_a_word_is_final_when_two_passes_agree_on_it() -> None:
    stream = Reader()
    stream.listen("#" * 6)
    stream.read("and sole", 0.0)
    assert shown(stream.transcript) == "and sole"
    stream.listen("#" * 10)
    request = stream.read("And so my fell", 0.0)
    assert request.known == ()
    assert shown(stream.transcript) == "AND so my fell"
    stream.listen("#" * 10)
    request = stream.read("so my fellow Americans", 0.4)
    assert len(request.known) == 1 and request.known_end == pytest.approx(0.4)
    assert shown(stream.transcript) == "AND SO MY fellow americans"


def test_words_are_final_half_a_second_after_the_last_one() -> None:
    #  speech 0 to 1, read at 0.5 and 1.3, settled at 1.5
    stream = Reader()
    stream.listen("#" * 10 + "___")
    stream.read("ask not", 0.0)
    assert shown(stream.transcript) == "ask not"
    stream.listen("_")
    assert shown(stream.transcript) == "ask not"
    stream.listen("__")
    assert shown(stream.transcript) == "ASK NOT"
    assert [said.final for said in stream.transcript.utterances(0.0)] == [False]  # the sentence may go on
    stream.listen("_" * 10)
    assert [said.final for said in stream.transcript.utterances(0.0)] == [True]


def test_a_pass_that_ends_late_settles_what_it_read() -> None:
    stream = Reader()
    stream.listen("#" * 10 + "___")
    request = stream.transcript.begin()
    assert request
    stream.listen("_" * 4)
    assert words(stream.transcript) == []
    stream.transcript.apply(heard("ask not", request, 0.0))
    assert shown(stream.transcript) == "ASK NOT"


def test_a_pass_that_hears_nothing_unsays_nothing() -> None:
    stream = Reader()
    stream.listen("#" * 6)
    stream.read("had he", 0.0)
    stream.listen("#" * 10)
    stream.read("", 0.0)
    assert shown(stream.transcript) == "had he"
    stream.listen("_" * 20)
    stream.read("", 0.0)
    assert shown(stream.transcript) == "HAD HE"


def test_a_pass_that_fails_leaves_what_was_known() -> None:
    stream = Reader()
    stream.listen("#" * 10 + "___")
    assert stream.transcript.begin()
    stream.transcript.apply(None)
    stream.listen("_" * 20)
    assert words(stream.transcript) == [] and not stream.transcript.running
    assert stream.transcript.begin() is None


def test_passes_that_come_due_meanwhile_are_one() -> None:
    stream = Reader()
    stream.listen("#" * 6)
    request = stream.transcript.begin()
    stream.listen("#" * 35)
    assert request and stream.transcript.begin() is None
    stream.transcript.apply(heard("one", request, 0.0))
    newest = stream.transcript.begin()
    assert newest and newest.end == pytest.approx(4.1)
    assert (stream.transcript.counts.passes, stream.transcript.counts.superseded) == (2, 2)


def test_a_recogniser_that_is_behind_skips_to_the_newest_speech() -> None:
    #  unread  0.6 ................. 8.0
    stream = Reader()
    stream.listen("#" * 6)
    request = stream.transcript.begin()
    assert request
    stream.listen("#" * 40 + "___" + "#" * 31)
    counts = stream.transcript.counts
    assert counts.skips == 1 and counts.skipped == pytest.approx(4.0, abs=0.15)
    assert stream.transcript.skipped(0.0, 4.0) == pytest.approx(3.4, abs=0.11)
    assert stream.transcript.skipped(5.0, 9.0) == 0.0
    stream.transcript.apply(heard("one", request, 0.0))
    assert shown(stream.transcript) == "ONE", "nothing waits for what will not be read"
    newest = stream.transcript.begin()
    assert newest and newest.start == pytest.approx(4.9, abs=0.11)  # after the pause


def test_what_waits_too_long_is_skipped_however_little_it_is() -> None:
    stream = Reader()
    stream.listen("#" * 6)
    assert stream.transcript.begin()
    stream.listen("_" * 20 + "####" + "_" * round(STALE * LAG / STEP + 5))
    assert stream.transcript.counts.skipped == pytest.approx(0.4)
    assert stream.transcript.counts.skips == 1


Answer = tuple[int, int]  # chunks a pass takes, words it hears


@settings(deadline=None, max_examples=200)
@given(
    drawn=TIMELINES,
    answers=st.lists(st.tuples(st.integers(0, 90), st.integers(-1, 8)), min_size=1, max_size=30),
    vocabulary=st.integers(1, 4),
)
def test_laws_of_words(drawn: str, answers: Sequence[Answer], vocabulary: int) -> None:
    transcript, due, running, number = Transcript(LAG), 0, None, 0
    before: list[Word] = []

    def check() -> None:
        nonlocal before
        found = words(transcript)
        final = [word for word in found if word.final]
        assert final[: len(before)] == before, "what is final does not change"
        for said in transcript.utterances(-math.inf):
            order = [word.final for word in said.words]
            assert order == sorted(order, reverse=True) and (all(order) or not said.final)
        before = final

    def answer(request: Request, count: int) -> Hypothesis | None:
        if count < 0:
            return None
        said = " ".join(f"w{(position * number) % vocabulary}" for position in range(count))
        return heard(said, request, request.known_end, max(0.05, (request.end - request.known_end) / (count + 1)))

    for step, chunk in enumerate(timeline(drawn)):
        transcript.push(chunk)
        check()
        if running and step >= due:
            transcript.apply(answer(running, answers[number % len(answers)][1]))
            running = None
            check()
        if not running and (running := transcript.begin()):
            number += 1
            due = step + answers[number % len(answers)][0]
            assert running.end <= chunk.end + 1e-9 and 0.0 <= running.end - running.start <= LONGEST_READ + 1e-6
    transcript.finish()
    check()
    while running or (running := transcript.begin()):
        transcript.apply(answer(running, answers[number % len(answers)][1]))
        running = None
        number += 1
        check()
    everything: Sequence[Utterance] = transcript.utterances(-math.inf)
    assert all(said.final for said in everything), "at the end all is final"
    assert all(a.end <= b.start + 1e-6 for a, b in pairwise(everything))


def test_context_is_short() -> None:
    stream = Reader()
    stream.listen("#" * 6)
    stream.read("w0 w1", 0.0)
    for number in range(1, 6):
        stream.listen("#" * 10)
        known = " ".join(f"w{index}" for index in range(2 * number, 2 * number + 4))
        request = stream.read(known if number > 1 else "w0 w1 w2 w3 w4 w5", 0.8 * number if number > 1 else 0.0)
    assert len(request.known) <= CONTEXT / 0.4 + 1, "final words leave the sound that is read"
