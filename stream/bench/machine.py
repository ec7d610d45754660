"""What the figures were taken on, and what a run takes of it."""

import os
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version

from engines.bench import machine, resident_mb

PARTS = ("ebmc-stream", "av", "torch", "onnxruntime", "faster-whisper", "mediapipe")


def machine_line() -> str:
    """Processor, cores, Python and the versions of what does the work, in one line."""
    return f"{machine()}, Python {platform.python_version()}, {', '.join(f'{part} {version(part)}' for part in PARTS)}"


@dataclass(frozen=True, slots=True)
class Usage:
    """wall: seconds on the clock. processor: seconds of all threads of this process. memory: resident, MB."""

    wall: float
    processor: float
    memory: float

    def cores_since(self, before: "Usage") -> float:
        """Cores that were busy for this process, on average."""
        return (self.processor - before.processor) / max(1e-9, self.wall - before.wall)


def usage() -> Usage:
    """What this process has used so far."""
    return Usage(time.monotonic(), time.process_time(), resident_mb())


def cores() -> int:
    """Cores of the machine."""
    return os.cpu_count() or 1
