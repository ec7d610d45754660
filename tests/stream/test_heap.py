"""What is free goes back to the system. In processes of their own: a heap cannot be put back as it was."""

import subprocess
import sys

import pytest

FREED = """
import ctypes, sys, time
from pathlib import Path
from stream import heap

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
pieces = [libc.malloc(50_000) for _ in range(4000)]  # 200 MB, each too small to be a mapping of its own
for piece in pieces:
    ctypes.memset(piece, 1, 50_000)
kept = pieces[::100] + pieces[-1:]  # so that the heap cannot shrink from its end
for piece in set(pieces) - set(kept):
    libc.free(piece)
before = resident()
if sys.argv[1] == "small":
    assert heap.keep_small(0.05).daemon
deadline = time.monotonic() + 20
while resident() > before - 150 and time.monotonic() < deadline and sys.argv[1] == "small":
    time.sleep(0.05)
time.sleep(0.3)
print(before - resident() > 150)
"""
HEAPS = """
import ctypes, os, threading
from stream import heap

print(heap.keep_together())
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
ready, go = threading.Barrier(9), threading.Event()
places = []
def take():
    ready.wait()
    places.append(libc.malloc(1000) >> 26)  # a heap of a thread lies in its own 64 MB
threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads: thread.start()
ready.wait()
for thread in threads: thread.join()
print(len(set(places)) <= 2 + 1)
"""


def said(program: str, *arguments: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, env=environment or None
    )
    return done.stdout.split()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the heap of this system is not glibc's")
def test_what_is_free_is_given_back() -> None:
    assert said(FREED, "small") == ["True"]
    assert said(FREED, "as it is") == ["False"], "the test's own heap must need it"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the heap of this system is not glibc's")
def test_threads_share_heaps_unless_somebody_chose_how_many() -> None:
    assert said(HEAPS) == ["True", "True"]
    assert said(HEAPS, MALLOC_ARENA_MAX="64")[0] == "False"
