"""A process that runs for weeks on glibc: its heap should not spread.

For each of 8 threads a core, glibc opens a heap of its own, and what one thread frees no other takes: pictures and
sound go through a dozen threads here, and the free pieces between them grow, some 0.4 MB a minute, while what is in use
stands still. Two heaps are enough: threads that allocate at the same moment are few, since Python's lock is one.
"""

import ctypes
import os
import sys

HEAPS = 2
M_ARENA_MAX = -8  # malloc.h of glibc


def keep_together() -> bool:
    """Let all threads that are started from now on share `HEAPS` heaps.

    False where that is not done: the system's heap is another, or `MALLOC_ARENA_MAX` says how many there should be.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(M_ARENA_MAX, HEAPS) == 1
