"""The columns of an `.npz` file, each of the kind that it must have. Nothing in it is unpickled."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np

# what NumPy and zipfile raise for a file that is damaged; BadZipFile and zlib.error have no root that the rest have
DAMAGED = (
    *(ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError, TypeError, OverflowError, MemoryError, AttributeError),
    *(SyntaxError, TokenError),  # it parses a header as Python would
)
WORD, WHOLE, REAL, ANY = "U", "iu", "f", "fiu"


def read_columns(path: Path, kinds: Mapping[str, tuple[str, int | None]]) -> dict[str, Any]:
    """Arrays by their names. kinds: NumPy's letters that the dtype may have, and the number of axes, None for any
    but 0.

    Raises `FileNotFoundError`, and `ValueError` with one line for all else that is wrong.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = {name: stored[name] for name in kinds}
    except FileNotFoundError:
        raise
    except DAMAGED as error:
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0][:200]) from error
    for name, (letters, axes) in kinds.items():
        right = found[name].ndim == axes if axes is not None else found[name].ndim > 0
        if found[name].dtype.kind not in letters or not right:
            raise ValueError(f"{name} is {str(found[name].dtype)[:40]} {list(found[name].shape)}")
    return found
