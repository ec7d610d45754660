"""What the figures were taken on, and what a run takes of it."""

import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

import psutil

from engines.bench import machine, resident_mb

PARTS = ("ebmc-stream", "av", "torch", "onnxruntime", "faster-whisper", "mediapipe")


def machine_line() -> str:
    """Processor, cores, Python and the versions of what does the work, in one line."""
    return f"{machine()}, Python {platform.python_version()}, {', '.join(f'{part} {version(part)}' for part in PARTS)}"


@dataclass(frozen=True, slots=True)
class Usage:
    """wall: seconds on the clock. processor: seconds of all threads of this process and of those that work for it.
    memory: resident, MB, of the same.

    machine: seconds that the cores of the whole machine were busy; None where the system does not tell.
    """

    wall: float
    processor: float
    memory: float
    machine: float | None = None

    def cores_since(self, before: "Usage") -> float:
        """Cores that were busy for this process, on average."""
        return (self.processor - before.processor) / max(1e-9, self.wall - before.wall)

    def others_since(self, before: "Usage") -> float | None:
        """Cores that were busy for other processes, on average: what else may have slowed this one."""
        if self.machine is None or before.machine is None:
            return None
        busy = (self.machine - before.machine) / max(1e-9, self.wall - before.wall)
        return max(0.0, busy - self.cores_since(before))


def usage(helpers: Sequence[int] = ()) -> Usage:
    """What this process, others that work for it (by their ids), and the machine have used so far."""
    processor, memory = time.process_time(), resident_mb()
    for helper in map(psutil.Process, helpers):
        with suppress(psutil.Error):  # it has just ended
            times = helper.cpu_times()
            processor, memory = processor + times.user + times.system, memory + helper.memory_info().rss / 1e6
    return Usage(time.monotonic(), processor, round(memory, 1), _busy())


def cores() -> int:
    """Cores of the machine."""
    return os.cpu_count() or 1


def _busy() -> float | None:
    """Seconds that all cores together were not idle, as Linux counts them."""
    try:
        with open("/proc/stat", encoding="ascii") as lines:
            ticks = [int(figure) for figure in lines.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    idle = ticks[3] + ticks[4]  # idle, and waiting for a disk
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
