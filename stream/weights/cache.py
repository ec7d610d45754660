"""What is in the cache: a folder for each entry, with `manifest.json`; reading that is the cheap check."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import platformdirs

from stream.checksum import checksum
from stream.weights.entry import WeightEntry
from stream.weights.registry import find_entry

MANIFEST = "manifest.json"


class State(StrEnum):
    """What there is of an entry. damaged: files are absent or of another length. outdated: of another version."""

    HERE = "here"
    MISSING = "missing"
    DAMAGED = "damaged"
    OUTDATED = "outdated"


def cache_folder(cache: Path | None = None) -> Path:
    """Where weights live: the folder given, else the user's cache folder for this program."""
    return cache if cache is not None else platformdirs.user_cache_path("ebmc")


def entry_folder(entry: WeightEntry, cache: Path | None = None) -> Path:
    """The folder of an entry, whether it is there or not."""
    return cache_folder(cache) / "weights" / entry.name


def installed(name: str | WeightEntry, cache: Path | None = None) -> Path | None:
    """The folder or file of weights that are in the cache and whole, else None. Reads sizes, not contents."""
    entry = find_entry(name) if isinstance(name, str) else name
    if state_of(entry, cache)[0] is not State.HERE:
        return None
    folder = entry_folder(entry, cache)
    return folder / entry.single if entry.single else folder


def state_of(entry: WeightEntry, cache: Path | None = None) -> tuple[State, str]:
    """The state, and in words what is wrong. Reads sizes, not contents."""
    folder = entry_folder(entry, cache)
    if not folder.is_dir():
        return State.MISSING, ""
    try:
        manifest = read_manifest(folder)
        if manifest["fingerprint"] != entry.fingerprint:
            return State.OUTDATED, "of another version of this program"
        wrong = [name for name, size in manifest["sizes"].items() if not _is_long(folder / name, size)]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return State.DAMAGED, f"{MANIFEST} cannot be read"
    return (State.DAMAGED, f"absent or cut: {', '.join(wrong)}") if wrong else (State.HERE, "")


def _is_long(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def read_manifest(folder: Path) -> dict[str, Any]:
    """What was noted when the folder was made. Raises `OSError`, `ValueError`."""
    return json.loads((folder / MANIFEST).read_text("utf-8"))


def write_manifest(entry: WeightEntry, folder: Path) -> None:
    """Note what is in the folder and where it is from, beside it."""
    files = [path for path in sorted(folder.iterdir()) if path.name != MANIFEST]
    known = {} if entry.derive else entry.files  # checked a moment ago, and nothing has touched them since
    manifest = {
        "name": entry.name,
        "fingerprint": entry.fingerprint,
        "licence": entry.licence,
        "source_sha256": dict(entry.files),
        "sizes": {path.name: path.stat().st_size for path in files},
        "sha256": {path.name: known.get(path.name) or checksum(path) for path in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
