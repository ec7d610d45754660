"""What this machine has: engines, models, libraries, devices, and where the three packages come from."""

import importlib.util
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from engines.errors import EngineAbsent
from engines.gpu import probe_gpu
from engines.selection import PREFERENCE, engine_states
from stream.settings import Settings
from stream.weights import WEIGHTS, cache_folder, installed

ROOMS = ("stream", "engines", "ebmc_core")
LIBRARIES = ("onnxruntime", "av", "mediapipe", "faster-whisper", "ctranslate2")
OPTIONAL = ("torch", "torchaudio", "onnx", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx")  # a stream does without


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. good: whether a stream can run with it; None where it is only told."""

    section: str
    name: str
    told: str
    good: bool | None = None


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything, in the order it is shown. Engines are tried for real. Raises `CheckpointError`."""
    yield from packages()
    yield from engines(settings.checkpoint)
    yield from models(settings)
    yield from libraries()
    yield from devices()


def packages() -> Iterator[Finding]:
    """Where `stream`, `engines` and `ebmc_core` come from: common names, which another package may hide."""
    owners = packages_distributions()
    yield Finding("packages", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        where = Path(spec.origin).parent if spec and spec.origin else None
        owner = ", ".join(sorted(set(owners.get(room, ())))) or "a folder on the path"
        yield Finding("packages", room, f"{where} (from {owner})", where is not None)


def engines(checkpoint: str) -> Iterator[Finding]:
    """Every engine of the table; `auto` takes the first that runs, in the order of preference."""
    states = engine_states(checkpoint)
    taken = next((name for name in PREFERENCE for state in states if state.name == name and state.backend), None)
    for state in states:
        told = f"runs as {state.backend}" if state.backend else f"skipped: {state.reason}"
        yield Finding("engines", state.name, told, True if state.backend else None)
    yield Finding("engines", "auto", f"takes {taken}" if taken else "finds no engine that runs", taken is not None)


def models(settings: Settings) -> Iterator[Finding]:
    """The weights of the registry, and whether they are in the cache."""
    yield Finding("models", "cache", str(cache_folder(settings.cache)))
    for entry in WEIGHTS.values():
        here = installed(entry, settings.cache)
        yield Finding("models", entry.name, "here" if here else f"missing: ebmc models pull {entry.name}", bool(here))


def libraries() -> Iterator[Finding]:
    """Versions of what the pipeline is built from, and of what it can use beside."""
    for name in (*LIBRARIES, *OPTIONAL):
        try:
            yield Finding("libraries", name, version(name), True)
        except PackageNotFoundError:
            yield Finding("libraries", name, "not installed", None if name in OPTIONAL else False)


def devices() -> Iterator[Finding]:
    """GPU, cameras and sound cards, as far as Linux shows them."""
    try:
        gpu = probe_gpu()
        yield Finding("devices", "gpu", f"{gpu.name}, {gpu.capability}, driver for CUDA {gpu.driver}")
    except EngineAbsent as absent:
        yield Finding("devices", "gpu", str(absent))
    cameras = sorted(str(path) for path in Path("/dev").glob("video*"))
    yield Finding("devices", "cameras", ", ".join(cameras) or "none")
    sound = Path("/proc/asound/cards")
    cards = [line.strip() for line in sound.read_text("utf-8").splitlines()] if sound.is_file() else []
    yield Finding("devices", "sound", "; ".join(cards) or "none")
