"""One line of what was found."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. good: whether a stream can run with it; None where it is only told."""

    section: str
    name: str
    told: str
    good: bool | None = None


def homeless(text: Path | str) -> str:
    """A path, or a text with paths in it, without the name of whose home they are in."""
    home = str(Path.home())
    return re.sub(rf"{re.escape(home)}(?=/|$|\s)", "~", str(text)) if home != "/" else str(text)


def read(path: Path) -> str:
    """What a small file of the system says, empty if it is not there or not ours to read."""
    try:
        return path.read_text("utf-8", errors="replace").replace("\0", "").strip()
    except OSError:
        return ""


def gibibytes(count: float) -> str:
    """Bytes, to be read."""
    return f"{count / 2**30:.1f} GiB"
