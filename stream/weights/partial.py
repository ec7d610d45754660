"""What has been fetched of an entry so far; it outlives the process, so that the next one goes on from there."""

import hashlib
import os
import shutil
from pathlib import Path

from stream.checksum import mismatch
from stream.weights.entry import WeightEntry


class Partial:
    """A folder beside the entry's own: `files` that are whole and checked, `parts` of others, `wheels`."""

    def __init__(self, entry: WeightEntry, root: Path) -> None:
        """Of `entry`, below the folder `root` of all weights; nothing is made yet."""
        self._entry = entry
        self._root = root
        self.path = root / f".{entry.name}-{entry.fingerprint[:8]}.partial"
        self.files = self.path / entry.name
        self.wheels = self.path / "wheels"

    @property
    def bytes(self) -> int:
        """How much there is."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @property
    def done(self) -> int:
        """Bytes of the files that are whole."""
        return sum(path.stat().st_size for path in self.files.iterdir())

    @property
    def total(self) -> int:
        """Bytes of all files, when they are whole."""
        return self._entry.size

    def make(self) -> None:
        """Make the folders, and remove files that are not what they should be. Raises `OSError`."""
        for folder in (self.files, self.wheels, self.path / "parts"):
            folder.mkdir(parents=True, exist_ok=True)
        for path in self.files.iterdir():
            digest = self._entry.files.get(path.name)
            if digest is None or mismatch(path, f"sha256:{digest}"):
                path.unlink()

    def part(self, file: str, source: str) -> Path:
        """Where a file grows that comes from that source: what two sources gave is never joined."""
        return self.path / "parts" / f"{file}.{hashlib.sha256(source.encode()).hexdigest()[:8]}.part"

    def digest(self, file: str) -> str:
        """The sha256 that a file must have."""
        return self._entry.files[file]

    def adopt(self, folder: Path) -> None:
        """Take from a folder of the cache, which is damaged or of another version, the files that are right."""
        for file in self.missing():
            there = folder / file
            if there.is_file() and not mismatch(there, f"sha256:{self.digest(file)}"):
                try:
                    os.link(there, self.files / file)
                except OSError:  # a file system without links
                    shutil.copyfile(there, self.files / file)

    def missing(self) -> list[str]:
        """Files that are not whole yet."""
        return [file for file in self._entry.files if not (self.files / file).is_file()]

    def finish(self, part: Path, file: str) -> None:
        """A part is whole and checked: it gets its name."""
        os.replace(part, self.files / file)
        for other in (self.path / "parts").glob(f"{file}.????????.part*"):
            other.unlink()

    def tidy(self) -> None:
        """Remove the folder when there is nothing in it that another try could use."""
        if not any(path.is_file() for path in self.path.rglob("*")):
            shutil.rmtree(self.path, ignore_errors=True)

    def remove(self) -> None:
        """The entry is fetched: what is left here, and of other versions of it, is not needed."""
        for path in self._root.glob(f".{self._entry.name}-????????.partial"):
            shutil.rmtree(path, ignore_errors=True)
