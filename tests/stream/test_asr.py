"""Whisper tiny.en on real speech: words, their times, and no words where nobody spoke."""

import re
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.errors import WeightsError
from stream.records import AudioFrame, Utterance
from stream.speech.asr import Recogniser
from stream.speech.utterances import UtteranceTracker
from stream.speech.vad import VoiceActivity
from tests.stream.speech_clips import Samples, noise, read_sound, recogniser

RATE = 16_000


@pytest.fixture(scope="module")
def whisper() -> Recogniser:
    return recogniser()


@pytest.fixture(scope="module")
def kennedy(clip: Path) -> Samples:
    """The first eleven seconds of the bundled clip."""
    return read_sound(clip)[: 11 * RATE]


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


def recognised(whisper: Recogniser, samples: Samples) -> list[Utterance]:
    """The final utterances, as a stream would hear them."""
    tracker = UtteranceTracker()
    passes = tracker.push(VoiceActivity().push(AudioFrame(0.0, samples))) + tracker.finish()
    return [
        whisper.transcribe(samples[round(one.start * RATE) : round(one.end * RATE)], one.start, final=True)
        for one in passes
        if one.final
    ]


def test_kennedy_word_for_word_in_one_utterance(whisper: Recogniser, kennedy: Samples) -> None:
    found = recognised(whisper, kennedy)
    assert [plain(one.text) for one in found] == [
        "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
    ]
    assert np.mean([word.probability for word in found[0].words]) > 0.8


def test_the_file_from_outside_too(whisper: Recogniser, media: Path) -> None:
    joined = " ".join(one.text for one in recognised(whisper, read_sound(media / "jfk.flac")))
    assert "ask not what your country can do for you" in joined.lower()


def test_words_lie_in_order_on_the_event_clock(whisper: Recogniser, kennedy: Samples) -> None:
    early = whisper.transcribe(kennedy[: 8 * RATE], 0.0, final=False)
    late = whisper.transcribe(kennedy[: 8 * RATE], 100.0, final=True)
    assert all(a.end <= b.end and a.start <= a.end for a, b in pairwise(early.words))
    assert all(0.0 <= word.start <= word.end <= 8.0 and 0.0 <= word.probability <= 1.0 for word in early.words)
    assert [word.text for word in early.words] == [word.text for word in late.words]
    assert np.allclose([w.end + 100.0 for w in early.words], [w.end for w in late.words])
    assert (early.final, late.final) == (False, True) and all(word.final for word in late.words)
    country = next(word for word in early.words if plain(word.text) == "country")
    assert 5.9 < country.start < country.end < 6.6  # as it is heard


@pytest.mark.parametrize(
    "sound",
    [np.zeros(4 * RATE, np.float32), 0.01 * noise("white", 4 * RATE), 0.05 * noise("pink", 4 * RATE)],
    ids=["silence", "white noise", "pink noise"],
)
def test_no_words_where_nobody_spoke(whisper: Recogniser, sound: Samples) -> None:
    assert whisper.transcribe(sound, 0.0, final=True).words == ()


@pytest.mark.parametrize("seconds", [0.8, 1.0, 1.5, 1.9, 2.0, 2.1, 2.3, 3.5])
def test_speech_that_stops_in_the_middle_makes_no_loop(whisper: Recogniser, kennedy: Samples, seconds: float) -> None:
    words = whisper.transcribe(kennedy[: int(seconds * RATE)], 0.0, final=False).words
    assert len(words) <= 3 * seconds + 1, " ".join(word.text for word in words)


@pytest.mark.parametrize("count", [0, 1, 100, 399, 400])
def test_next_to_nothing_has_no_words_and_some_states(whisper: Recogniser, count: int) -> None:
    samples = 0.1 * np.ones(count, np.float32)
    assert whisper.transcribe(samples, 5.0, final=True).words == ()
    states = whisper.encoder_states(samples)
    assert states.shape == (1, 384) and np.isfinite(states).all()


def test_samples_that_are_not_numbers_are_silence(whisper: Recogniser, kennedy: Samples) -> None:
    broken = kennedy.copy()
    broken[2 * RATE : 3 * RATE], quiet = np.inf, kennedy.copy()
    quiet[2 * RATE : 3 * RATE] = 0.0
    assert whisper.transcribe(broken, 0.0, final=True) == whisper.transcribe(quiet, 0.0, final=True)


def test_more_than_the_encoder_has_room_for_is_cut(whisper: Recogniser, clip: Path) -> None:
    long = np.tile(read_sound(clip), 2)
    assert whisper.transcribe(long, 0.0, final=True).end == 28.0
    assert whisper.encoder_states(long).shape == (1400, 384)


def test_states_of_a_window(whisper: Recogniser, kennedy: Samples) -> None:
    states = whisper.encoder_states(kennedy[: 4 * RATE])
    assert states.shape == (200, 384) and states.dtype == np.float32
    assert np.array_equal(states, whisper.encoder_states(kennedy[: 4 * RATE]))


def test_threads_do_not_disturb_each_other(whisper: Recogniser, clip: Path) -> None:
    pieces = [read_sound(clip)[first * RATE : (first + 4) * RATE] for first in (0, 4, 11, 15)]
    alone = [whisper.transcribe(piece, 0.0, final=True) for piece in pieces]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda piece: whisper.transcribe(piece, 0.0, final=True), pieces))
    assert together == alone


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no Whisper model could be loaded") as refusal:
        Recogniser(tmp_path)
    assert "\n" not in str(refusal.value)
