"""Zip files from elsewhere, read without trusting them: nothing is unpacked by the name it has inside."""

import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from ebmc_core.errors import DataError

LARGEST = 64 << 20  # bytes of one member, unpacked; the largest that we know of is a table of half a megabyte


@contextmanager
def opened_archive(path: Path) -> Generator[zipfile.ZipFile]:
    """The archive; raises `DataError` when it is none, is damaged, or holds a name that leads outside of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if _leads_outside(name):
                    raise DataError(f"{path} holds {name!r}, which leads outside the archive: it was not unpacked")
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(f"{path} is no whole zip file ({error})") from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """One file of the archive; raises `DataError` when it would fill the memory."""
    if archive.getinfo(name).file_size > LARGEST:
        raise DataError(f"{name} in {archive.filename} is larger than {LARGEST >> 20} MB: it was not unpacked")
    return archive.read(name)


def _leads_outside(name: str) -> bool:
    kinds = PurePosixPath(name), PureWindowsPath(name)
    return any(path.anchor or ".." in path.parts for path in kinds)
