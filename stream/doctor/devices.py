"""GPU, cameras and sound cards, as far as Linux shows them."""

import os
from collections.abc import Iterator
from pathlib import Path

from engines.errors import EngineAbsent
from engines.gpu import probe_gpu
from stream.doctor.finding import Finding, read


def devices(root: Path) -> Iterator[Finding]:
    """A camera that is there but not ours to open is told as such."""
    try:
        gpu = probe_gpu()
        yield Finding("devices", "gpu", f"{gpu.name}, {gpu.capability}, driver for CUDA {gpu.driver}")
    except EngineAbsent as absent:
        yield Finding("devices", "gpu", str(absent))
    cameras = [_camera(path, root) for path in sorted((root / "dev").glob("video*"))]
    yield Finding("devices", "cameras", ", ".join(cameras) or "none")
    cards = [line.strip() for line in read(root / "proc/asound/cards").splitlines()]
    yield Finding("devices", "sound", "; ".join(cards) or "none")


def _camera(path: Path, root: Path) -> str:
    name = read(root / "sys/class/video4linux" / path.name / "name")
    closed = "" if os.access(path, os.R_OK | os.W_OK) else "may not be opened: join the group video"
    told = "; ".join(part for part in (name, closed) if part)
    return f"/dev/{path.name}" + (f" ({told})" if told else "")
