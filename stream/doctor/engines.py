"""The engines, tried for real, and which TensorRT they would take."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from engines.selection import PREFERENCE, engine_states
from stream.doctor.finding import Finding, homeless
from stream.doctor.jetson import on_jetson

COMPILERS = ("tensorrt", "tensorrt_rtx")


def engines(checkpoint: str) -> Iterator[Finding]:
    """Every engine of the table; `auto` takes the first that runs, in the order of preference."""
    states = engine_states(checkpoint)
    taken = next((name for name in PREFERENCE for state in states if state.name == name and state.backend), None)
    for state in states:
        told = f"runs as {state.backend}" if state.backend else f"skipped: {state.reason}"
        yield Finding("engines", state.name, homeless(told), True if state.backend else None)
    yield Finding("engines", "auto", f"takes {taken}" if taken else "finds no engine that runs", taken is not None)


def compilers(root: Path) -> Iterator[Finding]:
    """Where Python would take TensorRT from. On a Jetson only the system's own fits the driver."""
    for name in COMPILERS:
        spec = importlib.util.find_spec(name)
        where = Path(spec.origin).parent if spec and spec.origin else None
        if where is None:
            yield Finding("engines", f"module {name}", "is not visible to this Python")
        elif name == "tensorrt" and on_jetson(root) and "dist-packages" not in where.parts:
            told = f"{homeless(where)}: is not the system's; pip uninstall tensorrt, and use --system-site-packages"
            yield Finding("engines", f"module {name}", told, False)
        else:
            yield Finding("engines", f"module {name}", homeless(where))
