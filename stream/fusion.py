"""The engine of a stream, over a checkpoint that reads what the front ends make."""

from ebmc_core.checkpoint import read_checkpoint
from ebmc_core.config import FEATURES
from ebmc_core.errors import CheckpointError
from engines.engine import Engine
from engines.selection import open_engine
from stream.session import WIDTHS
from stream.settings import Settings


def open_fusion(settings: Settings) -> Engine:
    """The engine that the settings ask for, to be entered by the caller. Raises `EngineError`, and `CheckpointError`
    also for a checkpoint that was trained on other features: of the same width they would give wrong scores silently.
    """
    files = read_checkpoint(settings.checkpoint)
    if files.config.features != FEATURES or files.config.widths != WIDTHS:
        raise CheckpointError(
            f"{files.folder} ({files.name}) was trained on features of version {files.config.features}, streams make"
            f" version {FEATURES}: take a newer checkpoint, or prepare the features anew and train again"
        )
    return open_engine(settings.engine, settings.checkpoint)
