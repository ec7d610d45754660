"""The program itself: where its packages come from, its weights, the libraries it is built from."""

import importlib.util
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

from stream.doctor.finding import Finding, homeless
from stream.settings import Settings
from stream.weights import WEIGHTS, State, cache_folder, state_of

PROGRAM = "ebmc-stream"
ROOMS = ("stream", "engines", "ebmc_core")
LIBRARIES = ("onnxruntime", "av", "mediapipe", "faster-whisper", "ctranslate2")
# without these a stream still runs, on the CPU
OPTIONAL = ("torch", "torchaudio", "onnx", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx")
EXTRAS = {"kafka": ("aiokafka", "orjson"), "avro": ("fastavro",), "web": ("fastapi", "uvicorn", "aiortc")}


def packages() -> Iterator[Finding]:
    """Where `stream`, `engines` and `ebmc_core` come from: common names, which another package may hide."""
    yield Finding("packages", PROGRAM, _version(PROGRAM) or "runs from a folder, not installed")
    yield Finding("packages", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    owners = packages_distributions()
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        where = Path(spec.origin).parent if spec and spec.origin else None
        owner = ", ".join(sorted(set(owners.get(room, ())))) or "a folder on the path"
        told = f"{homeless(where)} (from {owner})" if where else "is not there"
        yield Finding("packages", room, told, where is not None)


def models(settings: Settings) -> Iterator[Finding]:
    """The weights of the registry, and whether they are in the cache."""
    yield Finding("models", "cache", homeless(cache_folder(settings.cache)))
    for entry in WEIGHTS.values():
        state, _ = state_of(entry, settings.cache)
        if state is State.HERE:
            yield Finding("models", entry.name, "here", True)
        elif state is State.MISSING and entry.optional:
            yield Finding("models", entry.name, f"optional, not here: ebmc models pull {entry.name}")
        else:
            yield Finding("models", entry.name, f"{state}: ebmc models pull {entry.name}", entry.optional and None)


def libraries() -> Iterator[Finding]:
    """Versions of what the pipeline is built from, and of what it can use beside."""
    for name in (*LIBRARIES, *OPTIONAL):
        found = _version(name)
        lacking = None if name in OPTIONAL else False
        yield Finding("libraries", name, found or "not installed", True if found else lacking)
    for extra, needed in EXTRAS.items():
        versions = {name: _version(name) for name in needed}
        if all(versions.values()):
            yield Finding("libraries", f"extra {extra}", ", ".join(f"{name} {v}" for name, v in versions.items()))
        else:
            yield Finding("libraries", f"extra {extra}", f"not installed: pip install 'ebmc-stream[{extra}]'")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
