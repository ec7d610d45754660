"""Training arrays from small parts of the real data sets, checked by what will read them."""

from pathlib import Path

import numpy as np
import pytest

from ebmc_core.data.arrays import FeatureArrays, read_arrays
from ebmc_core.errors import DataError
from ebmc_core.modality import SENTIMENTS, Sentiment
from stream.features.audio import AudioFrontEnd
from stream.features.prosody import PROSODY
from stream.features.text import TextFrontEnd
from stream.features.voice import STATISTICS
from stream.prepare.ravdess import prepare_ravdess
from stream.prepare.text import prepare_text
from stream.settings import load_settings
from tests.stream.speech_clips import voice_encoder, weights


def data_set(name: str) -> Path:
    folder = load_settings().data / "data" / name
    if not folder.is_dir():
        pytest.skip(f"the data set is not here: {folder} (EBMC_DATA names its folder)")
    return folder


def mean_quality(arrays: FeatureArrays, *conditions: str) -> float:
    return float(arrays.quality[np.isin(arrays.condition, conditions)].mean())


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> FeatureArrays:
    """Neutral, happy, angry and surprised clips of six actors, two of each split."""
    folder = data_set("ravdess-speech") / "16k"
    data = tmp_path_factory.mktemp("data")
    (data / "ravdess-speech" / "16k").mkdir(parents=True)
    for actor in ("01", "02", "15", "16", "18", "19"):
        for emotion in ("01", "03", "05", "08"):
            name = f"03-01-{emotion}-01-01-01-{actor}.flac"
            (data / "ravdess-speech" / "16k" / name).symlink_to((folder / name).resolve())
    return read_arrays(prepare_ravdess(data, data / "out", AudioFrontEnd(voice_encoder())))


def small_text_data(folder: Path, every: int = 28) -> Path:
    """A data folder with the first lines of both MELD files, and some MOSI videos."""
    meld, mosi = data_set("meld"), data_set("cmu-mosi")
    (folder / "meld").mkdir()
    (folder / "cmu-mosi").mkdir()
    for name, count in (("train_sent_emo.csv", 2800 // every), ("dev_sent_emo.csv", 60)):
        lines = (meld / name).read_text(encoding="utf-8").splitlines(keepends=True)[:count]
        (folder / "meld" / name).write_text("".join(lines), encoding="utf-8")
    with np.load(mosi / "mosi_utterance.npz") as stored:
        keys = [f"{part}_{name}" for part in ("train", "test") for name in ("id", "transcript", "label")]
        parts = {key: stored[key][::every] for key in keys}
    np.savez(folder / "cmu-mosi" / "mosi_utterance.npz", **parts)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> FeatureArrays:
    data = small_text_data(tmp_path_factory.mktemp("data"))
    return read_arrays(prepare_text(data, data / "out", TextFrontEnd(weights("minilm-l6-v2"))))


def test_speech_arrays_are_what_the_training_reads(speech: FeatureArrays) -> None:
    assert speech.width == AudioFrontEnd.WIDTH
    assert set(speech.source) == {"ravdess"} and len(set(speech.group)) == 6
    assert not any(item.split("-")[2] == "08" for item in speech.item), "surprise is no sentiment"
    for label, emotion in ((Sentiment.NEGATIVE, "05"), (Sentiment.NEUTRAL, "01"), (Sentiment.POSITIVE, "03")):
        assert {item.split("-")[2] for item in speech.item[speech.label == SENTIMENTS.index(label)]} == {emotion}


def test_noisier_copies_have_a_lower_quality(speech: FeatureArrays) -> None:
    noisy = {ratio: (f"noise-{ratio}dB", f"babble-{ratio}dB") for ratio in (20, 10, 5, 0)}
    steps = [mean_quality(speech, "clean"), *(mean_quality(speech, *noisy[ratio]) for ratio in (20, 5, 0))]
    assert steps == sorted(steps, reverse=True) and steps[0] > 0.9 and steps[-1] < 0.3
    conditions = {str(one) for one in speech.condition[speech.split == "test"]}
    assert conditions == {"clean", "shifted", "joined"}.union(*noisy.values())


def test_actors_who_train_have_a_deeper_and_a_higher_voice_too(speech: FeatureArrays) -> None:
    pitch = speech.values[:, STATISTICS + PROSODY.index("pitch_median")]
    speed = np.array([float(item.partition("@")[2] or 1.0) for item in speech.item])
    assert set(speech.split[speed != 1]) == {"train"}, "figures are of voices as they are"
    for actor in sorted(set(speech.group[speech.split == "train"])):
        voices = sorted(set(speed[speech.group == actor]))
        clean = (speech.group == actor) & (speech.condition == "clean")
        heard = [float(np.median(pitch[clean & (speed == voice)])) for voice in voices]
        assert len(voices) == 3 and voices[1] == 1
        assert heard == pytest.approx(heard[1] + np.log2(voices), abs=0.1), "octaves"


def test_text_arrays_are_what_the_training_reads(text: FeatureArrays) -> None:
    assert text.width == TextFrontEnd.WIDTH and set(text.source) == {"meld", "mosi"}
    assert set(text.condition) == {"clean", "plain", "calm", "partial", "misheard"}
    assert np.allclose(np.linalg.norm(text.values, axis=1), 1.0, atol=1e-2)
    mosi = text.label[text.source == "mosi"]
    assert set(mosi) == {SENTIMENTS.index(Sentiment.NEGATIVE), SENTIMENTS.index(Sentiment.POSITIVE)}
    assert mean_quality(text, "clean") > mean_quality(text, "plain", "calm") > mean_quality(text, "misheard")


def test_the_copies_of_a_line_stay_together(text: FeatureArrays, speech: FeatureArrays) -> None:
    for arrays in (text, speech):
        for item in set(arrays.item):
            rows = arrays.item == item
            assert len(set(arrays.label[rows])) == len(set(arrays.split[rows])) == 1


def test_data_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no RAVDESS recordings"):
        prepare_ravdess(tmp_path, tmp_path / "out", AudioFrontEnd(voice_encoder()))
    with pytest.raises(DataError, match="no MELD lines"):
        prepare_text(tmp_path, tmp_path / "out", TextFrontEnd(weights("minilm-l6-v2")))
    assert not (tmp_path / "out").exists()
