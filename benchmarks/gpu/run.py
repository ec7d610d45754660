"""Build, check and time every GPU engine on this machine; writes `results/GPU-NAME.json` beside this file.

Run it in a checkout, on a machine with an NVIDIA GPU:  python benchmarks/gpu/run.py
No GPU was available to the project so far: nothing here has been run on hardware.
"""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

from ebmc_core.checkpoint import read_checkpoint
from ebmc_core.errors import EbmcError
from engines.bench import benchmark
from engines.engine import Engine
from engines.gpu import Gpu, probe_gpu
from engines.selection import make_engine
from engines.verify import TOLERANCES, checks, compare

GPU_ENGINES = (
    "tensorrt", "tensorrt:float16", "tensorrt-rtx", "tensorrt-rtx:float16", "onnx-cuda", "torch-cuda-graph",
)  # fmt: skip
CHECKPOINT = "live-en"
LIMITS_MS = {1: 0.25, 64: 0.6}  # what a GPU with graph replay should reach


def checked(engine: Engine, tolerance: float) -> dict[str, object]:
    """Differences from torch on random masks and recorded windows."""
    files = read_checkpoint(CHECKPOINT)
    with engine, make_engine("torch", files.folder) as reference:
        worst = {title: compare(engine, reference, batch).worst for title, batch in checks(files.config)}
        return {"backend": engine.backend, "worst": worst, "agrees": max(worst.values()) <= tolerance}


def check_all() -> dict[str, dict[str, object]]:
    """Every GPU engine, TensorRT in both precisions, or why it does not run."""
    folder = read_checkpoint(CHECKPOINT).folder
    found: dict[str, dict[str, object]] = {}
    for name in GPU_ENGINES:
        try:
            tolerance = TOLERANCES["float16"] if "float16" in name else 1e-3  # CUDA's float32 may use TF32
            found[name] = checked(make_engine(name, folder), tolerance)
        except EbmcError as error:
            found[name] = {"skipped": str(error)}
        sys.stdout.write(f"{name}: {found[name]}\n")
    return found


def main() -> int:
    """Write the results; 1 if an engine that runs does not agree."""
    try:
        gpu: Gpu = probe_gpu()
    except EbmcError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    agreement = check_all()
    report = benchmark(GPU_ENGINES, CHECKPOINT, report=lambda line: sys.stderr.write(line + "\n"))
    reached = [
        {"engine": t.engine, "batch": t.batch, "median_ms": t.median_ms, "reached": t.median_ms <= LIMITS_MS[t.batch]}
        for t in report.timings
        if t.batch in LIMITS_MS and t.engine in GPU_ENGINES
    ]
    results = Path(__file__).with_name("results")
    results.mkdir(exist_ok=True)
    path = results / f"{re.sub(r'[^a-z0-9]+', '-', gpu.name.lower())}.json"
    content = {"gpu": asdict(gpu), "agreement": agreement, "limits": reached, "benchmark": json.loads(report.as_json())}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join("  ".join(row) for row in report.rows()) + f"\nwrote {path}\n")
    return 0 if all(one.get("agrees", True) for one in agreement.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
