"""The variables of a Whisper model in CTranslate2's file format, by name.

CTranslate2 runs such a file, and gives its last layer only; who wants the inner layers builds them from these. The
layout is that of CTranslate2's `model_spec.py`: a version, the name of the specification and its revision, then every
variable as name, shape, type and bytes, then aliases. All numbers are little-endian; a string has its length in front
and a zero byte behind.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stream.errors import WeightsError

VERSION, SPECIFICATION = 6, "WhisperSpec"
TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def read_whisper(path: Path) -> dict[str, NDArray[np.float32]]:
    """Every variable of a `model.bin`, as float32. Raises `WeightsError` for one of another kind, or cut short."""
    try:
        file = _File(path.read_bytes())
        version, specification, _ = file.number("I"), file.text(), file.number("I")
        if (version, specification) != (VERSION, SPECIFICATION):
            raise WeightsError(f"{path}: is {specification} of version {version}, not {SPECIFICATION} {VERSION}")
        return {file.text(): file.array() for _ in range(file.number("I"))}
    except (struct.error, ValueError, IndexError, UnicodeDecodeError) as error:
        raise WeightsError(f"{path}: is no CTranslate2 model, or is cut short; remove it and pull it again") from error


class _File:
    """Bytes that are read from their beginning on."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f"<{kind}", self._content, self._at)
        self._at += struct.calcsize(kind)
        return int(value)

    def text(self) -> str:
        length = self.number("H")
        found = self._content[self._at : self._at + length - 1].decode()
        self._at += length
        return found

    def array(self) -> NDArray[np.float32]:
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind, size = np.dtype(TYPES[self.number("B")]), self.number("I")
        found = np.frombuffer(self._content, kind, count=size // kind.itemsize, offset=self._at)
        self._at += size
        return found.reshape(shape).astype(np.float32)
