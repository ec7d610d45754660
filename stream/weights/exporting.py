"""A mirror for machines without a network: the files of the registry in a folder, as `NAME/FILE`."""

import os
import shutil
from pathlib import Path

from stream.checksum import mismatch
from stream.errors import WeightsError
from stream.weights.cache import entry_folder
from stream.weights.entry import WeightEntry


def export(entry: WeightEntry, mirror: Path, cache: Path | None = None) -> Path:
    """Copy the files that a source of `entry` must hold from the cache to `mirror/NAME`; what is there and right stays.

    Raises `WeightsError` in one line when a file in the cache is not as it was fetched, or the copy cannot be stored.
    """
    source, target = entry_folder(entry, cache), mirror / entry.name
    try:
        target.mkdir(parents=True, exist_ok=True)
        for file, digest in entry.files.items():
            if (target / file).is_file() and not mismatch(target / file, f"sha256:{digest}"):
                continue
            coming = target / f".{file}.coming"
            shutil.copyfile(source / file, coming)
            if mismatch(coming, f"sha256:{digest}"):
                coming.unlink()
                raise WeightsError(
                    f"{file} of {entry.name} is damaged in the cache: ebmc models pull --again {entry.name}"
                )
            os.replace(coming, target / file)
    except OSError as error:
        raise WeightsError(f"{entry.name} cannot be copied to {target}: {error.strerror or error}") from error
    return target
