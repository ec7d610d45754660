"""Which engine runs: by name, or the first of a preference list that this machine can open."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from ebmc_core.checkpoint import read_checkpoint
from ebmc_core.errors import EbmcError
from engines.engine import ENGINES, Engine
from engines.errors import EngineAbsent, EngineError
from engines.fallback import Candidate, FallbackEngine

PREFERENCE = ("tensorrt", "tensorrt-rtx", "onnx-cuda", "onnx", "torch")
AUTO = "auto"
PRECISE = ("tensorrt", "tensorrt-rtx")


@dataclass(frozen=True, slots=True)
class EngineState:
    """Whether an engine runs here. backend: the name it answers with, or None; reason: why it does not run."""

    name: str
    backend: str | None
    reason: str


def make_engine(name: str, folder: Path) -> Engine:
    """The engine of this name in `ENGINES`, not yet entered; its library is imported here, and only here.

    `NAME:float16` and `NAME:int8` ask one of `PRECISE` for another precision.
    """
    name, colon, precision = name.partition(":")
    if name not in ENGINES:
        raise EngineError(f"no engine is called {name!r}: choose {AUTO}, {', '.join(ENGINES)}")
    if colon and name not in PRECISE:
        raise EngineError(f"the {name} engine runs in float32 only; {' and '.join(PRECISE)} have a choice")
    module, attribute = ENGINES[name].split(":")
    try:
        build: Callable[..., Engine] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise EngineAbsent(f"the {name} engine needs a library that is not installed: {error}") from error
    return build(folder, precision) if colon else build(folder)


def open_engine(name: str = AUTO, checkpoint: Path | str = "live-en", strict: bool = False) -> Engine:
    """An engine over a checkpoint, to be entered by the caller.

    `auto` walks `PREFERENCE`, notes why engines are skipped, and goes on to the next one when an engine fails in use
    (`strict`: raises instead). An engine that was asked for by name is the only one. Raises `EngineError` for a name
    that does not exist or when none can be made, `CheckpointError` for a bad checkpoint.
    """
    folder = read_checkpoint(checkpoint).folder
    if name != AUTO:
        return make_engine(name, folder)
    return FallbackEngine([Candidate(each, partial(make_engine, each, folder)) for each in PREFERENCE], strict)


def engine_states(checkpoint: Path | str = "live-en") -> list[EngineState]:
    """Every engine in the table, tried for real: made, entered, left."""
    folder = read_checkpoint(checkpoint).folder
    return [engine_state(name, folder) for name in ENGINES]


def runnable(folder: Path) -> list[str]:
    """The names of the engines that run here."""
    return [state.name for state in engine_states(folder) if state.backend]


def engine_state(name: str, folder: Path) -> EngineState:
    """One engine, tried for real."""
    try:
        with make_engine(name, folder) as engine:
            return EngineState(name, engine.backend, "")
    except EbmcError as error:
        return EngineState(name, None, str(error))
