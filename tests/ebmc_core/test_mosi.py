"""MOSI as sequences: whole videos in their order, padded in front; softened where labels leak; bad arrays refused."""

from pathlib import Path

import numpy as np
import pytest

from ebmc_core.data.disturb import Disturbance
from ebmc_core.data.mosi import POSITIVE, MosiVideos, Softener, read_mosi
from ebmc_core.errors import DataError
from ebmc_core.modality import Modality
from tests.ebmc_core.mosi_arrays import WIDTHS, write_mosi

EVERYTHING = np.ones(3, np.int64)
CALM = Disturbance(complete=1.0, outage=0.0, noise=0.0, jitter=0.0)


def test_held_videos_are_whole_and_in_order(tmp_path: Path) -> None:
    mosi = read_mosi(write_mosi(tmp_path) / "mosi.npz")
    held = MosiVideos(mosi, "test", context=63, seed=0).held(99, EVERYTHING)
    part = mosi.of_split("test")
    real = held.features.valid > 0
    assert np.array_equal(held.features.values[Modality.TEXT][real], part.values[Modality.TEXT])
    assert np.array_equal(held.label[real], part.label)
    assert (np.diff(held.features.valid, axis=1) >= 0).all(), "padding comes first"
    assert (held.features.present[~real] == 0).all()


def test_a_long_video_gives_its_end(tmp_path: Path) -> None:
    mosi = read_mosi(write_mosi(tmp_path) / "mosi.npz")
    held = MosiVideos(mosi, "test", context=3, seed=0).held(99, EVERYTHING)
    rows = mosi.of_split("test")
    last = np.flatnonzero(rows.video == rows.video[-1])[-3:]
    assert np.array_equal(held.features.values[Modality.AUDIO][-1], rows.values[Modality.AUDIO][last])


def test_drawn_videos_are_different_ones_up_to_some_moment(tmp_path: Path) -> None:
    mosi = read_mosi(write_mosi(tmp_path) / "mosi.npz")
    drawn = MosiVideos(mosi, "train", 63, seed=1, disturbance=CALM).draw(99)
    assert len(drawn.label) == 18
    rows = {row.tobytes(): label for row, label in zip(mosi.values[Modality.VIDEO], mosi.label, strict=True)}
    real = drawn.features.valid > 0
    assert [rows[row.tobytes()] for row in drawn.features.values[Modality.VIDEO][real]] == drawn.label[real].tolist()
    assert real.sum() < (mosi.split == "train").sum()


def test_mixed_has_all_seven_conditions_and_everything_once_more(tmp_path: Path) -> None:
    mixed = MosiVideos(read_mosi(write_mosi(tmp_path) / "mosi.npz"), "validation", 63, 0).mixed(99)
    newest = mixed.features.present[:, -1].sum(-1)
    assert np.bincount(newest.astype(int)).tolist() == [0, 3 * 6, 3 * 6, 2 * 6]


def test_softening_keeps_the_covariance_and_hides_the_label(tmp_path: Path) -> None:
    mosi = read_mosi(write_mosi(tmp_path) / "mosi.npz")
    rows, label = mosi.values[Modality.TEXT], mosi.label == POSITIVE
    soft = Softener(rows, 3.0)(np.tile(rows, (20, 1)), np.random.default_rng(0))
    np.testing.assert_allclose(np.cov(soft.T), np.cov(rows.T), atol=0.25)
    apart = [
        np.linalg.norm(x[np.resize(label, len(x))].mean(0) - x[~np.resize(label, len(x))].mean(0)) for x in (rows, soft)
    ]
    assert apart[1] == pytest.approx(apart[0] / np.sqrt(10), rel=0.15)


def test_test_videos_are_never_softened(tmp_path: Path) -> None:
    mosi = read_mosi(write_mosi(tmp_path) / "mosi.npz")
    soft = {"text": 3.0, "audio": 3.0, "video": 3.0}
    for split, same in (("train", False), ("validation", False), ("test", True)):
        plain, softened = (MosiVideos(mosi, split, 63, 0, soften=s).held(99, EVERYTHING) for s in (None, soft))
        assert np.array_equal(*(b.features.values[Modality.TEXT] for b in (plain, softened))) == same


@pytest.mark.parametrize(
    ("column", "spoil", "message"),
    [
        (
            "audio",
            lambda a: np.where(np.arange(len(a))[:, None] == 3, np.nan, a),
            "1 utterances have audio values that are not",
        ),
        ("label", lambda a: a + 1, "labels must be 0 .* or 1 .*not \\[2\\]"),
        ("split", lambda a: np.full(len(a), "train"), "validation split lacks"),
        ("video", lambda a: a[:-1], "video must be float"),
        ("name", lambda a: np.full(len(a), "one"), "'one' is in more than one split"),
    ],
)
def test_bad_arrays_are_one_clear_line(tmp_path: Path, column: str, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    with np.load(write_mosi(tmp_path / "good") / "mosi.npz") as good:
        write_mosi(tmp_path / "bad", **{column: spoil(good[column])})
    with pytest.raises(DataError, match=message) as caught:
        read_mosi(tmp_path / "bad" / "mosi.npz")
    assert "\n" not in str(caught.value)


def test_missing_arrays_and_unknown_text_name_the_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing: make it with `ebmc data prepare --only mosi`"):
        read_mosi(tmp_path / "mosi.npz")
    with pytest.raises(DataError, match="choose released or minilm or sentence"):
        read_mosi(write_mosi(tmp_path) / "mosi.npz", "bert")
    assert read_mosi(tmp_path / "mosi.npz").values[Modality.TEXT].shape[1] == WIDTHS["released"]
