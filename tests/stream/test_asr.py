"""Whisper tiny.en on real speech: words, their times, and no words where nobody spoke."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stream.errors import WeightsError
from stream.records import AudioFrame, Utterance
from stream.speech.asr import Piece, Recogniser
from stream.speech.guards import judge
from stream.speech.transcript import Transcript
from stream.speech.vad import SpeechChunk, VoiceActivity
from tests.stream.speech_clips import Samples, noise, read_sound, recogniser, weights

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
    """The utterances of the whole sound, as a file gives them."""
    transcript, activity = Transcript(lag=6.0), VoiceActivity()
    for chunk in activity.push(AudioFrame(0.0, samples)):
        transcript.push(chunk)
        read_due(whisper, transcript, samples)
    transcript.finish()
    read_due(whisper, transcript, samples)
    return list(transcript.utterances(float("-inf")))


def read_due(whisper: Recogniser, transcript: Transcript, samples: Samples) -> None:
    while request := transcript.begin():
        piece = samples[round(request.start * RATE) : round(request.end * RATE)]
        transcript.apply(whisper.read(piece, request.known, request.voiced))


def words(whisper: Recogniser, samples: Samples) -> tuple[Piece, ...]:
    """What is believed of one pass over sound that the voice activity took for speech from end to end."""
    return judge(whisper.read(samples), [SpeechChunk(0.0, len(samples) / RATE, 0.9)], 0.0).pieces


def test_kennedy_word_for_word_in_one_utterance(whisper: Recogniser, kennedy: Samples) -> None:
    found = recognised(whisper, kennedy)
    assert [plain(one.text) for one in found] == [
        "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
    ]
    assert np.mean([word.probability for word in found[0].words]) > 0.8


def test_the_file_from_outside_too(whisper: Recogniser, media: Path) -> None:
    joined = " ".join(one.text for one in recognised(whisper, read_sound(media / "jfk.flac")))
    assert "ask not what your country can do for you" in plain(joined)


def test_words_lie_in_order_in_the_sound(whisper: Recogniser, kennedy: Samples) -> None:
    found = whisper.read(kennedy[: 8 * RATE]).pieces
    assert all(a.end <= b.end and a.start <= a.end for a, b in pairwise(found))
    assert all(0.0 <= word.start <= word.end <= 8.0 and 0.0 <= word.probability <= 1.0 for word in found)
    country = next(word for word in found if plain(word.text) == "country")
    assert 5.9 < country.start < country.end < 6.6  # as it is heard


def test_words_that_are_known_are_not_said_again(whisper: Recogniser, kennedy: Samples) -> None:
    whole = whisper.read(kennedy[: 8 * RATE]).pieces
    for count in (1, 4, len(whole) - 1):
        known = [token for piece in whole[:count] for token in piece.tokens]
        rest = whisper.read(kennedy[: 8 * RATE], known).pieces
        assert [plain(piece.text) for piece in rest] == [plain(piece.text) for piece in whole[count:]]
        assert np.allclose([p.start for p in rest], [p.start for p in whole[count:]], atol=0.3)
    known = [token for piece in whole for token in piece.tokens]
    assert whisper.read(kennedy[: 8 * RATE], known).pieces == ()


def test_a_known_word_steers_those_that_follow(whisper: Recogniser, kennedy: Samples) -> None:
    wrong = whisper.read(kennedy[: 2 * RATE]).pieces[:1]  # "And"
    said = whisper.read(kennedy[: 3 * RATE], wrong[0].tokens).pieces
    assert plain(said[0].text) == "so"


@pytest.mark.parametrize(
    "sound",
    [np.zeros(4 * RATE, np.float32), 0.01 * noise("white", 4 * RATE), 0.05 * noise("pink", 4 * RATE)],
    ids=["silence", "white noise", "pink noise"],
)
def test_no_words_where_nobody_spoke(whisper: Recogniser, sound: Samples) -> None:
    assert words(whisper, sound) == ()


@pytest.mark.parametrize("gain", [1.0, 10.0, 50.0])
def test_no_words_in_real_rooms_while_nobody_speaks(whisper: Recogniser, media: Path, gain: float) -> None:
    """The half second before actors speak, one after the other, and the sound of a video without a person."""
    clips = sorted((media.parent / "data" / "ravdess-speech" / "16k").glob("*.flac"))[::60]
    rooms = [read_sound(clip)[: RATE // 2] for clip in clips] + [read_sound(media / "no_face.mp4")]
    assert recognised(whisper, np.clip(gain * np.concatenate(rooms), -1, 1).astype(np.float32)) == []


@pytest.mark.parametrize("seconds", [0.8, 1.0, 1.5, 1.9, 2.0, 2.1, 2.3, 3.5])
def test_speech_that_stops_in_the_middle_makes_no_loop(whisper: Recogniser, kennedy: Samples, seconds: float) -> None:
    found = words(whisper, kennedy[: int(seconds * RATE)])
    assert len(found) <= 3 * seconds + 1, " ".join(word.text for word in found)


@pytest.mark.parametrize("count", [0, 1, 100, 399, 400])
def test_next_to_nothing_has_no_words(whisper: Recogniser, count: int) -> None:
    assert words(whisper, 0.1 * np.ones(count, np.float32)) == ()


def test_samples_that_are_not_numbers_are_silence(whisper: Recogniser, kennedy: Samples) -> None:
    broken = kennedy.copy()
    broken[2 * RATE : 3 * RATE], quiet = np.inf, kennedy.copy()
    quiet[2 * RATE : 3 * RATE] = 0.0
    assert whisper.read(broken) == whisper.read(quiet)


def test_more_than_the_encoder_has_room_for_is_cut(whisper: Recogniser, clip: Path) -> None:
    long = np.tile(read_sound(clip), 2)
    assert all(piece.end <= 28.0 for piece in whisper.read(long).pieces)


LENGTHS = """
import sys
from pathlib import Path
import numpy as np
from stream.speech.asr import Recogniser

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

whisper = Recogniser(Path(sys.argv[1]), workers=1)
noise = np.random.default_rng(0).standard_normal(60_000).astype(np.float32) / 20
def encode(steps):
    whisper._whisper.encode(whisper._spectrogram(noise[: 640 * steps]))
for steps in (90, 60, 25):
    encode(steps)
before = resident()
for steps in range(26, 86):
    encode(steps)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells a process its memory this way")
def test_nothing_is_kept_for_each_new_length_of_sound() -> None:
    """It was 0.7 MB for each, and a stream meets new ones for hours: 1.2 MB against 80 MB for 114 of them."""
    command = [sys.executable, "-c", LENGTHS, str(weights("whisper-tiny.en"))]
    grown = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 15


def test_threads_do_not_disturb_each_other(whisper: Recogniser, clip: Path) -> None:
    pieces = [read_sound(clip)[first * RATE : (first + 4) * RATE] for first in (0, 4, 11, 15)]
    alone = [whisper.read(piece) for piece in pieces]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(whisper.read, pieces))
    assert together == alone


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no Whisper model could be loaded") as refusal:
        Recogniser(tmp_path)
    assert "\n" not in str(refusal.value)
