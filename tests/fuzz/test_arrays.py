"""The arrays that training reads, damaged or of another kind."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebmc_core.data.arrays import read_arrays
from ebmc_core.data.mosi import read_mosi
from ebmc_core.data.sentences import read_sentences
from ebmc_core.errors import DataError
from tests.fuzz.hostile import mutated
from tests.fuzz.profile import fuzzed, taken

ROWS = 12
LABELLED = {
    "quality": np.ones(ROWS, np.float32),
    "label": np.arange(ROWS, dtype=np.int8) % 3,
    "item": np.array([f"i{number}" for number in range(ROWS)]),
    "group": np.array(["a"] * 3 + ["b"] * 3 + ["c"] * 6),
    "split": np.array(["train"] * 3 + ["validation"] * 3 + ["test"] * 6),
    "condition": np.array(["clean"] * ROWS),
    "source": np.array(["x"] * ROWS),
}
ARRAYS = {"values": np.zeros((ROWS, 4), np.float16), **LABELLED}
MOSI = {
    **{name: np.zeros((ROWS, 4), np.float32) for name in ("released", "audio", "video")},
    "label": np.arange(ROWS, dtype=np.int8) % 2,
    "name": LABELLED["group"],
    "split": LABELLED["split"],
}
SENTENCES = {
    **{name: LABELLED[name] for name in LABELLED if name != "quality"},
    "states": np.zeros((ROWS * 2, 384), np.float16),
    "starts": np.arange(ROWS + 1) * 2,
    "frozen": np.array(4),
    "emotion": np.zeros(ROWS, np.int8),
}
READERS = {"arrays": (read_arrays, ARRAYS), "mosi": (read_mosi, MOSI), "sentences": (read_sentences, SENTENCES)}
ODD = (
    *(
        np.array(3),
        np.zeros(0),
        np.zeros((2, 2, 2)),
        np.array(["x"] * ROWS),
        np.full(ROWS, np.nan),
        np.full(ROWS, np.inf),
    ),
    *(
        np.zeros(ROWS, complex),
        np.zeros(ROWS, "datetime64[s]"),
        np.zeros((ROWS, 0), np.float32),
        np.zeros(ROWS, [("a", "i4")]),
    ),
    *(
        np.full(ROWS, 2**63 - 1),
        np.full(ROWS, -1),
        np.ones(ROWS, bool),
        np.array([b"x"] * ROWS),
        np.full((ROWS, 4), np.nan),
    ),
    *(np.zeros(ROWS + 1, np.int64), np.array(["\0\n"] * ROWS), np.array(["x" * 900] * ROWS)),
)


def packed(columns: dict[str, Any], compressed: bool = True) -> bytes:
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **columns)
    return out.getvalue()


@pytest.mark.parametrize("name", READERS)
def test_whole_arrays_are_read(name: str, tmp_path: Path) -> None:
    read, columns = READERS[name]
    (tmp_path / "a.npz").write_bytes(packed(columns))
    assert len(read(tmp_path / "a.npz").label) == ROWS


@pytest.mark.parametrize("name", READERS)
@fuzzed(60)
@given(data=st.data())
def test_columns_of_another_kind_are_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    read, columns = READERS[name]
    odd = {
        column: data.draw(st.sampled_from(ODD))
        for column in data.draw(st.sets(st.sampled_from(sorted(columns)), max_size=3))
    }
    (tmp_path / "a.npz").write_bytes(packed(columns | odd, compressed=False))
    taken(lambda: read(tmp_path / "a.npz"), DataError)


@pytest.mark.parametrize("name", READERS)
@fuzzed(60)
@given(data=st.data())
def test_damaged_arrays_are_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    read, columns = READERS[name]
    (tmp_path / "a.npz").write_bytes(data.draw(mutated(packed(columns, data.draw(st.booleans())))))
    taken(lambda: read(tmp_path / "a.npz"), DataError)


@pytest.mark.parametrize("name", READERS)
def test_a_pickle_among_the_arrays_is_not_run(name: str, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return (tmp_path / "run").write_text, ("it ran",)

    read, columns = READERS[name]
    out = io.BytesIO()
    np.savez(out, allow_pickle=True, **(columns | {"label": np.array([Bomb()] * ROWS, object)}))
    (tmp_path / "a.npz").write_bytes(out.getvalue())
    with pytest.raises(DataError):
        read(tmp_path / "a.npz")
    assert not (tmp_path / "run").exists()
