"""The thorough check of what is in the cache: every byte against the checksum that was noted, and the registry's."""

from dataclasses import dataclass
from pathlib import Path

from stream.checksum import Progress, checksum
from stream.weights.cache import State, entry_folder, read_manifest, state_of
from stream.weights.entry import WeightEntry


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one entry.

    state, detail: as `state_of` has it, and `damaged` also where bytes are wrong. files: how many there are, of `bytes`
    together. unrecorded: those of which only the length is known, since an older version of this program made them.
    """

    state: State
    detail: str = ""
    files: int = 0
    bytes: int = 0
    unrecorded: tuple[str, ...] = ()


def verify(entry: WeightEntry, cache: Path | None = None, progress: Progress | None = None) -> Verdict:
    """Read every file of an entry in the cache. Raises nothing: a file that cannot be read is damaged."""
    state, detail = state_of(entry, cache)
    if state is not State.HERE:
        return Verdict(state, detail)
    folder = entry_folder(entry, cache)
    manifest = read_manifest(folder)
    noted: dict[str, str] = manifest.get("sha256", {})
    sizes: dict[str, int] = manifest["sizes"]
    derived = noted if entry.derive else {}  # its module may have changed a file that was fetched
    known = {name: derived.get(name) or entry.files.get(name) or noted.get(name) for name in sizes}
    wrong: list[str] = []
    done, total = 0, sum(sizes.values())
    for name, digest in known.items():
        if digest and _read(folder / name, done, total, progress) != digest:
            wrong.append(f"{name} has other bytes")
        done += sizes[name]
    unrecorded = tuple(name for name, digest in known.items() if not digest)
    state, detail = (State.DAMAGED, ", ".join(wrong)) if wrong else (state, detail)
    return Verdict(state, detail, len(sizes), total, unrecorded)


def _read(path: Path, before: int, total: int, progress: Progress | None) -> str:
    """The checksum; empty when the file cannot be read."""
    try:
        return checksum(path, progress=progress and (lambda done, _: progress(before + done, total)))
    except OSError:
        return ""
