"""Does static int8 pay? The live graph with explicit quantise and dequantise nodes, against float32, on validation.

Scales are calibrated on sequences of mixed presence, weights have one scale per output channel, everything is
symmetric as TensorRT wants it. Prints a Markdown table and writes JSON. With `tensorrt_rtx` installed, each graph is
also compiled for two GPUs, which needs none. Takes a few minutes:  python benchmarks/int8.py live-en
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from time import process_time
from timeit import timeit
from typing import Any

import numpy as np
from onnxruntime import InferenceSession

from ebmc_core.batch import Float
from ebmc_core.checkpoint import CheckpointFiles, read_checkpoint
from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.paired import PairedWindows, Pairing
from ebmc_core.data.sequences import Ints, ordered_subsets, subset_name
from ebmc_core.metrics import accuracy
from engines.build import PlanOptions, plan_from_onnx
from engines.engine import feeds_from
from engines.errors import EngineError
from engines.export import onnx_from_checkpoint
from engines.onnxruntime_engine import open_session
from engines.quantise import BATCH, Feeds, batches, quantise

Figures = dict[str, dict[str, Any]]  # per graph, per row of the table
TARGETS = ("sm86", "sm120")


def answers(session: InferenceSession, feeds: Feeds) -> tuple[Float, Ints]:
    """Score `[n]` and class `[n]` of the newest windows."""
    found = [session.run(["score", "probabilities"], batch) for batch in batches(feeds)]
    score, chances = (np.concatenate([np.asarray(one[index]) for one in found])[:, -1] for index in (0, 1))
    return score, chances.argmax(-1)


def plan_size(graph: Path, target: str) -> int | str:
    """Bytes of the strongly typed plan for a GPU, or why there is none."""
    try:
        compiler = import_module("tensorrt_rtx")
        return len(plan_from_onnx(compiler, graph.read_bytes(), PlanOptions(targets=(target,)))[0])
    except (EngineError, ModuleNotFoundError) as error:
        return str(error)


def held_windows(features: Path, files: CheckpointFiles, count: int, seed: int = 7) -> dict[str, tuple[Feeds, Ints]]:
    """Validation sequences per subset, with the labels of their newest windows `[n]`; `mixed` to calibrate on."""
    arrays, pairing = load_arrays(features), Pairing(context=files.config.context)
    fresh = partial(PairedWindows, arrays, "validation", pairing)
    drawn = {subset_name(subset): fresh(seed).held(count, subset) for subset in ordered_subsets()}
    drawn["mixed"] = fresh(seed + 1).mixed(count)
    return {name: (feeds_from(one.features, files.config), one.label[:, -1]) for name, one in drawn.items()}


def compare(sessions: Mapping[str, InferenceSession], held: Mapping[str, tuple[Feeds, Ints]]) -> Figures:
    """Accuracy per subset, and how far each graph is from float32."""
    said = {name: {s: answers(one, feeds) for s, (feeds, _) in held.items()} for name, one in sessions.items()}
    found: Figures = {}
    for name, mine in said.items():
        figures = {f"accuracy, {s}": 100 * accuracy(mine[s][1], label) for s, (_, label) in held.items()}
        figures["accuracy, mean"] = float(np.mean(list(figures.values())))
        away = np.concatenate([np.abs(mine[s][0] - said["float32"][s][0]) for s in held])
        changed = np.concatenate([mine[s][1] != said["float32"][s][1] for s in held])
        figures |= {"score off, mean": float(away.mean()), "score off, most": float(away.max())}
        found[name] = figures | {"labels changed, %": 100 * float(changed.mean())}
    return found


def measure(checkpoint: str, features: Path, count: int) -> Figures:
    """Every figure of every graph, in the order of the table."""
    files = read_checkpoint(checkpoint)
    held = held_windows(features, files, count)
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: onnx_from_checkpoint(checkpoint, kind, Path(folder)) for kind in ("float32", "float16")}
        paths["int8"] = Path(folder) / "int8.onnx"
        quantise(paths["float32"], paths["int8"], held.pop("mixed")[0])
        sessions = {name: open_session(path, files) for name, path in paths.items()}
        found = compare(sessions, held)
        for size in (1, BATCH):  # the graphs take turns, so that all meet the same machine
            batch = next(batches(held["text+audio+video"][0], size))
            calls = [partial(one.run, None, batch) for one in sessions.values()]
            taken = [[timeit(call, timer=process_time, number=1) for call in calls] for _ in range(50)]
            for name, median in zip(sessions, 1000 * np.median(taken, axis=0), strict=True):
                found[name][f"CPU ms, batch {size}"] = float(median)
        for name, path in paths.items():
            plans = {f"plan {target}, bytes": plan_size(path, target) for target in TARGETS}
            found[name] |= {"graph, bytes": path.stat().st_size, **plans}
    return found


def table(found: Figures) -> str:
    """The figures as Markdown, one graph a column."""
    lines = [("", *found), ("---", *["---"] * len(found))]
    for row in found["float32"]:
        cells = [one[row] for one in found.values()]
        lines.append((row, *(f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", nargs="?", default="live-en", help="name or folder of a checkpoint")
    parser.add_argument("--features", type=Path, default=Path("features"), help="folder of `ebmc data prepare`")
    parser.add_argument("--count", type=int, default=512, help="sequences to calibrate on, and to compare per subset")
    parser.add_argument("--json", type=Path, default=Path("runs/int8.json"), help="where the figures go")
    chosen = parser.parse_args()
    found = measure(chosen.checkpoint, chosen.features, chosen.count)
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(found)}\nwrote {chosen.json}\n")


if __name__ == "__main__":
    main()
