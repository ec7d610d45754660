"""What a file holds, as a checksum: read in blocks, so that a large one can show how far it is."""

import hashlib
from collections.abc import Callable
from pathlib import Path

BLOCK = 1 << 20

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all."""


def checksum(path: Path, kind: str = "sha256", progress: Progress | None = None) -> str:
    """The hexadecimal checksum of a file. kind: as `hashlib` calls it. Raises `OSError`."""
    seen, done, total = hashlib.new(kind), 0, path.stat().st_size
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            seen.update(block)
            done += len(block)
            if progress:
                progress(done, total)
    return seen.hexdigest()


def mismatch(path: Path, digest: str | None, progress: Progress | None = None) -> str:
    """In words how the content differs from `kind:hexadecimal`; empty when it does not, or nothing is known."""
    if digest is None:
        return ""
    kind, _, expected = digest.partition(":")
    seen = checksum(path, kind, progress)
    return "" if seen == expected else f"has {kind} {seen[:12]}…, expected {expected[:12]}…"
