"""Look, download, convert, check, move into place: how a data folder comes to hold a data set.

Downloads lie in `downloads/NAME` below the data folder, where a person may put them by hand; conversion happens in a
folder beside, and every file enters its place in one rename. A file that is there is never overwritten.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ebmc_core.errors import DataError
from stream.datasets.dataset import Dataset, Report, Say, State
from stream.datasets.download import download


def provide(dataset: Dataset, root: Path, say: Say, report: Report | None = None, offline: bool = False) -> Path:
    """The folder of a data set below `root`, fetched when nothing of it is there.

    What is there in part, or other than published, may be a person's own data: it is used as it is. offline: never
    reach for the network. Raises `DataError` in one line.
    """
    folder = root / dataset.name
    found = dataset.inspect(folder)
    if found.state is State.COMPLETE:
        return folder
    if found.state is not State.MISSING:
        say(f"{dataset.name} is {found.state} ({found.detail}) and used as it is")
        return folder
    if not offline:
        return fetch_dataset(dataset, root, say, report)
    by_hand = ", ".join(f"{file.addresses[0]} as {file.name}" for file in dataset.files)
    raise DataError(
        f"{dataset.name} is not in {root} and may not be fetched: leave out --offline, or get {by_hand}"
        f" into {_downloads(dataset, root)}"
    )


def fetch_dataset(dataset: Dataset, root: Path, say: Say, report: Report | None = None) -> Path:
    """Download, convert, check, and put below `root` what is not there yet; nothing is overwritten.

    Raises `DataError` in one line, also when files are there that are not those of the data set.
    """
    found = dataset.inspect(root / dataset.name)
    if found.state is State.COMPLETE:
        return root / dataset.name
    if found.state is State.DAMAGED:
        raise DataError(f"{root / dataset.name}: {found.detail}; it was left alone: move it away and fetch again")
    say(f"fetching {dataset.name} ({dataset.size_text}) from {dataset.home} into {root / dataset.name}")
    say(f"licence  {dataset.licence}: {dataset.consequence}")
    waiting = _downloads(dataset, root)
    ours = [file.name for file in dataset.files if not (waiting / file.name).exists()]  # the others: put there by hand
    files = {file.name: download(file, waiting, report) for file in dataset.files}
    try:
        with tempfile.TemporaryDirectory(prefix=f".{dataset.name}-", dir=root) as scratch:
            _converted(dataset, files, Path(scratch), report)
            _move(Path(scratch), root / dataset.name)
        _demand_complete(dataset, root / dataset.name, "beside what was there, it")
    except DataError:
        _remove(waiting, ours)  # they are not what they should be, so the next try shall not find them
        raise
    except OSError as error:
        raise DataError(f"{dataset.name} cannot be stored in {root}: {error.strerror or error}") from error
    _remove(waiting, ours)
    if waiting.is_dir():
        say(f"what lies in {waiting} is no longer needed")
    return root / dataset.name


def _downloads(dataset: Dataset, root: Path) -> Path:
    return root / "downloads" / dataset.name


def _converted(dataset: Dataset, files: Mapping[str, Path], folder: Path, report: Report | None) -> None:
    dataset.build(files, folder, report)
    _demand_complete(dataset, folder, f"what {dataset.home} gave")


def _demand_complete(dataset: Dataset, folder: Path, what: str) -> None:
    found = dataset.inspect(folder)
    if found.state is not State.COMPLETE:
        raise DataError(f"{dataset.name}: {what} is {found.state}: {found.detail}")


def _move(source: Path, target: Path) -> None:
    """Every file below `source` to the same place below `target` unless there is one, each in one rename."""
    for path in sorted(source.rglob("*")):
        place = target / path.relative_to(source)
        if path.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, place)


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for empty in (folder, folder.parent):
        if empty.is_dir() and not any(empty.iterdir()):
            shutil.rmtree(empty, ignore_errors=True)
