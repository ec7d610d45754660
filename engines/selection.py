"""Which engine runs: by name, or the first of a preference list that this machine can open."""

import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ebmc_core.checkpoint import read_checkpoint
from engines.engine import ENGINES, Engine
from engines.errors import EngineError, EngineUnavailable

PREFERENCE = ("onnx", "torch")
AUTO = "auto"

log = logging.getLogger(__name__)


def make_engine(name: str, folder: Path) -> Engine:
    """The engine of this name in `ENGINES`, not yet entered; its library is imported here, and only here."""
    if name not in ENGINES:
        raise EngineError(f"no engine is called {name!r}: choose {AUTO}, {', '.join(ENGINES)}")
    module, attribute = ENGINES[name].split(":")
    try:
        build: Callable[[Path], Engine] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise EngineUnavailable(f"the {name} engine needs a library that is not installed: {error}") from error
    return build(folder)


def open_engine(name: str = AUTO, checkpoint: Path | str = "live-en") -> Engine:
    """An engine over a checkpoint, to be entered by the caller.

    `auto` takes the first of `PREFERENCE` that can be made here and logs why others were skipped. Raises `EngineError`
    for a name that does not exist or when none is left, `CheckpointError` for a bad checkpoint.
    """
    folder = read_checkpoint(checkpoint).folder
    if name != AUTO:
        return make_engine(name, folder)
    for candidate in PREFERENCE:
        try:
            return make_engine(candidate, folder)
        except EngineUnavailable as error:
            log.warning("engine %s skipped: %s", candidate, error)
    raise EngineError(f"none of the engines {', '.join(PREFERENCE)} runs on this machine")
