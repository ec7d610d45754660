"""What is believed of a pass: loops, words without voice, phrases that noise becomes, and who really says them."""

import numpy as np
import pytest

from stream.speech.agreement import agreed, plain, repeated
from stream.speech.asr import Hypothesis, Piece, Recogniser
from stream.speech.guards import Guard, Verdict, compression, judge
from stream.speech.vad import SpeechChunk
from tests.stream.speech_clips import noise, recogniser

RATE = 16_000


def said(
    text: str, seconds: float = 2.0, probability: float = 0.9, score: float = -0.3, silent: float = 0.1
) -> Hypothesis:
    """A hypothesis whose words share the time equally."""
    words = text.split()
    step = seconds / len(words)
    pieces = [
        Piece(word, number * step, (number + 1) * step, probability, (number,)) for number, word in enumerate(words)
    ]
    return Hypothesis(tuple(pieces), score, silent)


def voice(*spans: tuple[float, float], start: float = 0.0) -> list[SpeechChunk]:
    return [SpeechChunk(start + first, start + last, 0.9) for first, last in spans]


def text(verdict: Verdict) -> str:
    return " ".join(piece.text for piece in verdict.pieces)


def test_speech_is_believed() -> None:
    verdict = judge(said("ask what you can do for your country"), voice((0.0, 2.0)), 0.0)
    assert text(verdict) == "ask what you can do for your country" and verdict.dropped == ()


@pytest.mark.parametrize(
    ("score", "silent", "probability", "believed"),
    [
        (-0.5, 0.9, 0.9, True),
        (-1.2, 0.9, 0.9, False),
        (-1.2, 0.2, 0.5, True),
        (-1.9, 0.2, 0.1, False),
        (-1.9, 0.2, 0.5, True),
    ],
)
def test_the_recognisers_own_doubt(score: float, silent: float, probability: float, believed: bool) -> None:
    verdict = judge(said("cold hearted", 1.0, probability, score, silent), voice((0.0, 1.0)), 0.0)
    assert bool(verdict.pieces) is believed
    assert believed or verdict.dropped == ((Guard.NO_SPEECH, 2),)


def test_text_that_repeats_itself_is_compressible() -> None:
    loop = "and the young man of the house " * 12
    assert compression(loop) > 2.4 > compression("he might even have been made amiable himself had he married well")
    assert judge(said(loop, 30.0), voice((0.0, 30.0)), 0.0).dropped[0][0] is Guard.COMPRESSION


@pytest.mark.parametrize(
    ("heard", "left"),
    [
        ("no no no no no no", "no"),
        ("come on come on come on come on", "come on"),
        ("well hahahahahaha", "well"),
        ("no no no never", "no no no never"),
    ],
)
def test_loops_of_words_and_letters(heard: str, left: str) -> None:
    assert text(judge(said(heard, 3.0), voice((0.0, 3.0)), 0.0)) == left


def test_a_row_of_words_on_one_instant_was_not_spoken() -> None:
    spoken = said("he was not", 1.0).pieces
    heap = tuple(Piece(word, 1.0, 1.02, 0.5, (9,)) for word in ("and", "then", "there", "was"))
    assert text(judge(Hypothesis((*spoken, *heap), -0.3, 0.1), voice((0.0, 1.0)), 0.0)) == "he was not"


def test_a_sentence_said_again_into_the_padding_was_said_once() -> None:
    twice = said("Thank you. Thank you.", 0.9)
    assert text(judge(twice, voice((0.0, 0.5)), 0.0)) == "Thank you."
    assert text(judge(said("Thank you. Thank you.", 1.6), voice((0.0, 1.6)), 0.0)) == "Thank you. Thank you."


def test_words_where_there_is_no_voice() -> None:
    #  voice  0 ... 1.0        silence        4.0 ... 5.0
    heard = Hypothesis((*said("he was not", 1.0).pieces, Piece("unless", 2.0, 2.4, 0.9, (1,))), -0.3, 0.1)
    verdict = judge(heard, voice((100.0, 101.0), (104.0, 105.0)), 100.0)
    assert text(verdict) == "he was not" and verdict.dropped == ((Guard.SILENCE, 1),)


def test_more_words_than_the_voice_had_time_for() -> None:
    verdict = judge(said("one two three four five six seven eight nine ten", 1.0), voice((0.0, 0.5)), 0.0)
    assert len(verdict.pieces) == 4 and verdict.dropped == ((Guard.RATE, 6),)


@pytest.mark.parametrize(
    "phrase", ["Thank you.", "you", "I'm sorry.", "Thanks for watching!", "I'm gonna go to the end of the video."]
)
def test_a_phrase_that_noise_becomes_needs_confidence_or_voice(phrase: str) -> None:
    length = 0.3 * len(phrase.split())
    spoken = judge(said(phrase, length, 0.9), voice((0.0, length)), 0.0)
    unsure = judge(said(phrase, length, 0.5, -0.9, 0.8), voice((0.0, length)), 0.0)
    voiceless = judge(said(phrase, length, 0.9), voice((0.0, 0.03)), 0.0)
    assert text(spoken) == phrase
    assert unsure.pieces == () and unsure.dropped[0][0] is Guard.PHANTOM
    assert len(voiceless.pieces) < len(phrase.split())


@pytest.fixture(scope="module")
def whisper() -> Recogniser:
    return recogniser()


@pytest.mark.parametrize("kind", ["white", "pink", "clicks", "hum"])
@pytest.mark.parametrize("seconds", [0.8, 3.0])
def test_noise_behind_the_gate_gives_no_words(whisper: Recogniser, kind: str, seconds: float) -> None:
    """Even if voice activity took all of it for speech."""
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    sound = {
        "hum": sum(np.sin(2 * np.pi * 50 * k * time) / k for k in range(1, 9)),
        "clicks": noise("white", count) * (np.arange(count) % 3000 < 120),
    }.get(kind)
    samples = (0.03 * (noise(kind, count) if sound is None else sound)).astype(np.float32)
    assert judge(whisper.read(samples, (), seconds), voice((0.0, seconds)), 0.0).pieces == ()


def test_words_agree_whatever_their_case_and_punctuation() -> None:
    assert plain("Country?") == "country" and plain("don't,") == "don't"
    assert agreed(["And", "so,", "my"], ["and", "so", "MY", "fellow"]) == 3
    assert agreed(["And", "America"], ["and", "Americans"]) == 1
    assert agreed([], ["and"]) == 0


def test_known_words_that_are_heard_again() -> None:
    assert repeated(["for", "your", "country."], ["your", "country", "he"]) == 2
    assert repeated(["country"], ["he", "was"]) == 0
