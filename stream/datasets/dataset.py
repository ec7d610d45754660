"""What is known of a data set: its remote files, its licence, how to make the local files and how to look at them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

Report = Callable[[int, int, str], None]  # done, total, what
Say = Callable[[str], None]


class State(StrEnum):
    """What there is of a data set here. partial: files are absent; damaged: there are others than those wanted."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Found:
    """State of a data set in a folder, and in words what is wrong or special about it."""

    state: State
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file to download.

    name: what it is called in the folder of downloads. addresses are tried in order. size: bytes; None when nobody
    has published it. digest: `md5:…` or `sha256:…` of the content; None when it is not known, so that only what is
    made of the file can be checked.
    """

    name: str
    addresses: tuple[str, ...]
    size: int | None = None
    digest: str | None = None


Build = Callable[[Mapping[str, Path], Path, Report | None], None]
Inspect = Callable[[Path], Found]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set.

    name: also the folder below the data folder. parts: which `ebmc data prepare --only` need it. consequence: what the
    licence means for those who train on it. build: downloaded files (by name) into an empty folder; raises `DataError`.
    inspect: what a folder holds of it.
    """

    name: str
    parts: tuple[str, ...]
    what: str
    use: str
    licence: str
    consequence: str
    citation: str
    home: str
    files: tuple[RemoteFile, ...]
    build: Build
    inspect: Inspect

    @property
    def size(self) -> int | None:
        """Bytes to download; None when the size of a file is not published."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None

    @property
    def size_text(self) -> str:
        """The same in words."""
        return "size not published" if self.size is None else f"{self.size / 1e6:.1f} MB"
