"""MOSI as it is prepared from the release: order, splits, and MiniLM as its authors published it."""

from pathlib import Path

import numpy as np
import pytest

from ebmc_core.data.mosi import read_mosi
from ebmc_core.errors import DataError
from ebmc_core.modality import Modality
from stream.prepare.mosi import VALIDATION, prepare_mosi, published_vectors
from stream.settings import load_settings
from stream.weights import fetch


@pytest.fixture(scope="module")
def minilm() -> Path:
    return fetch("minilm-l6-v2", load_settings().cache, print)


def release(folder: Path, train: int = 14, test: int = 2) -> Path:
    """A release in miniature: videos with underscores in their names, utterances in the order of their text."""
    (folder / "cmu-mosi").mkdir(parents=True)
    columns: dict[str, np.ndarray] = {}
    for part, videos in (("train", train), ("test", test)):
        ids = [f"{part}_{video}_{number}" for video in range(videos) for number in (1, 10, 2)]
        count = len(ids)
        columns |= {
            f"{part}_id": np.array(ids),
            f"{part}_transcript": np.array([f"THIS IS UTTERANCE {item}" for item in ids]),
            f"{part}_label": (np.arange(count) % 2).astype(np.int8),
            **{f"{part}_{m}": np.arange(count, dtype=np.float32)[:, None] for m in ("text", "audio", "video")},
        }
    np.savez(folder / "cmu-mosi" / "mosi_utterance.npz", **columns)
    return folder


def test_videos_are_whole_in_order_and_on_one_side(tmp_path: Path, minilm: Path) -> None:
    path = prepare_mosi(release(tmp_path), tmp_path / "features", minilm)
    mosi = read_mosi(path, "minilm")
    assert len(set(mosi.video[mosi.split == "validation"])) == VALIDATION
    assert set(mosi.video[mosi.split == "test"]) == {"test_0", "test_1"}
    with np.load(path) as stored:
        assert stored["audio"][stored["name"] == "test_1"].ravel().tolist() == [3.0, 5.0, 4.0]  # 1, 2, 10


def test_vectors_are_those_of_the_published_model(minilm: Path) -> None:
    """Sentences that mean the same are near, padding changes nothing, and case does not count."""
    lines = ["this film was a delight", "I LOVED THIS MOVIE", "the bus leaves at nine from the second platform today"]
    vectors = published_vectors(lines, minilm)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.5 > alike[0, 2]
    np.testing.assert_allclose(published_vectors([lines[1].lower()], minilm)[0], vectors[1], atol=1e-5)


def test_a_missing_release_says_which_folder_is_wanted(tmp_path: Path, minilm: Path) -> None:
    with pytest.raises(DataError, match="name the folder that holds cmu-mosi"):
        prepare_mosi(tmp_path, tmp_path / "features", minilm)


def utterances(train: int = 14, test: int = 2) -> list[str]:
    """The names in `release`, by video and number."""
    videos = [f"train_{video}" for video in range(train)] + [f"test_{video}" for video in range(test)]
    return [f"{video}_{number}" for video in videos for number in (1, 2, 10)]


def reviews(folder: Path, items: list[str], learned: bool = False) -> Path:
    values = np.arange(len(items), dtype=np.float32)[:, None]
    known = np.full(len(items), learned)
    np.savez(folder / "reviews.npz", values=values, item=np.array([f"mosi-{item}" for item in items]), learned=known)
    return folder / "reviews.npz"


def test_tuned_vectors_find_their_utterances(tmp_path: Path, minilm: Path) -> None:
    items = utterances()
    path = prepare_mosi(release(tmp_path), tmp_path / "features", minilm, reviews(tmp_path, items[::-1]))
    with np.load(path) as stored:
        rows = stored["sentence"][stored["name"] == "test_1"].ravel().tolist()
    assert rows == [2.0, 1.0, 0.0]
    assert read_mosi(path, "sentence").values[Modality.TEXT].shape[1] == 1


def test_tuned_vectors_that_know_their_labels_or_lack_utterances_are_refused(tmp_path: Path, minilm: Path) -> None:
    release(tmp_path)
    items = utterances()
    with pytest.raises(DataError, match=r"48 vectors in .* know their own label"):
        prepare_mosi(tmp_path, tmp_path / "features", minilm, reviews(tmp_path, items, learned=True))
    with pytest.raises(DataError, match="make it with `ebmc train sentence`"):
        prepare_mosi(tmp_path, tmp_path / "features", minilm, reviews(tmp_path, items[:5]))
