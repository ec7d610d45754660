"""One file of a data set from the web, or from the hand of a person: it has its own name only when it is whole.

What is under way is called `NAME.0.part` (from the first address); `stream.transfer` fills and checks it.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from ebmc_core.errors import DataError
from stream.checksum import mismatch
from stream.datasets.dataset import RemoteFile, Report
from stream.transfer import TransferError, transfer


def download(
    file: RemoteFile, folder: Path, report: Report | None = None, pause: Callable[[float], None] = time.sleep
) -> Path:
    """`folder/NAME`, downloaded unless it is there. Raises `DataError` in one line, which says what to do by hand."""
    target = folder / file.name
    if target.is_file():
        if wrong := mismatch(target, file.digest):
            raise DataError(f"{target} {wrong}: remove it, and it will be fetched again")
        return target
    failures: list[str] = []
    for index, address in enumerate(file.addresses):
        part = folder / f"{file.name}.{index}.part"  # two addresses may give two versions: never join them
        try:
            folder.mkdir(parents=True, exist_ok=True)
            transfer(address, part, file.digest, file.size, _kilobytes(file.name, report), pause)
            os.replace(part, target)
            for other in folder.glob(f"{file.name}.*.part*"):
                other.unlink()
            return target
        except TransferError as error:
            failures.append(f"{address}: {error}")
        except OSError as error:
            raise DataError(
                f"{target} cannot be stored: {error.strerror or error}; make room there or name another --data"
            ) from error
    raise DataError(
        f"{file.name} could not be fetched ({'; '.join(failures)}); get it by hand, put it at {target}, repeat"
    )


def _kilobytes(name: str, report: Report | None) -> Callable[[int, int], None] | None:
    return report and (lambda done, total: report(done // 1000, total // 1000, f"kB of {name}"))
