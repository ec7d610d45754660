"""The client library, which only those have who installed the extra `kafka`."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from stream.errors import SettingsError

NEEDED = ("aiokafka", "cramjam", "orjson")  # cramjam: lz4 and zstd


def require() -> None:
    """Raise `SettingsError`, which says how to get it, if it is not installed."""
    missing = [name for name in NEEDED if not _installed(name)]
    if missing:
        raise SettingsError(f"Kafka needs {' and '.join(missing)}; run: pip install 'ebmc-stream[kafka]'")


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # a module that is switched off
        return False


def keep_secrets() -> None:
    """The library writes each request to its debug log, passwords and tokens included: that log is cut off."""
    logging.getLogger("aiokafka.conn").addFilter(_above_debug)


def _above_debug(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


@contextmanager
def quiet() -> Generator[None]:
    """The library logs each try that fails, several a second; while the block runs we tell what happened, once.

    A level that was set for the logger `aiokafka` stays.
    """
    logger = logging.getLogger("aiokafka")
    ours = logger.level == logging.NOTSET
    if ours:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        if ours:
            logger.setLevel(logging.NOTSET)
