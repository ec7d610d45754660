"""A process that runs for weeks on glibc: its heap should not spread.

Pictures and sound of many sizes go through a dozen threads, and glibc keeps what they free in pieces, in up to eight
heaps a core. What is in use stands still after two minutes; the pieces between grow for as long as it runs. So all
threads share two heaps, and what is free is given back to the system twice a minute, which takes 10 to 20 ms beside
everything else (docs/benchmarks.md).
"""

import ctypes
import os
import sys
import threading
import time
from typing import Any

HEAPS = 2
EVERY = 30.0  # seconds
M_ARENA_MAX = -8  # malloc.h of glibc


def keep_together() -> bool:
    """Let all threads that are started from now on share `HEAPS` heaps.

    False where that is not done: the system's heap is another, or `MALLOC_ARENA_MAX` says how many there should be.
    """
    mallopt = _of_glibc("mallopt")
    return "MALLOC_ARENA_MAX" not in os.environ and mallopt is not None and mallopt(M_ARENA_MAX, HEAPS) == 1


def keep_small(every: float = EVERY) -> threading.Thread | None:
    """Give back what is free every so many seconds, to the end of the process; None where the heap is not glibc's."""
    trim = _of_glibc("malloc_trim")
    if trim is None:
        return None

    def trimming() -> None:
        while True:
            time.sleep(every)
            trim(0)  # without Python's lock

    thread = threading.Thread(target=trimming, name="heap", daemon=True)
    thread.start()
    return thread


def _of_glibc(name: str) -> Any:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
