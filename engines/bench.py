"""How fast is each engine here? Medians beside torch eager in the same run, and the memory of a process of its own.

Every engine runs in its own process, which imports nothing that the engine does not. The processes take turns in
short rounds, so that whatever else the machine does falls on all of them alike.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self, cast

from ebmc_core.checkpoint import read_checkpoint
from engines.errors import EngineError

REFERENCE = "torch"
ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Timing:
    """One engine at one batch size. median, p99: milliseconds of a call on the clock. cpu: median of processor time.

    throughput: windows a second. speedup: processor time of torch eager divided by this one's (by the clock where the
    work is not the processor's); on a busy machine it is the figure that holds.
    """

    engine: str
    backend: str
    batch: int
    median_ms: float
    p99_ms: float
    cpu_ms: float
    throughput: float
    speedup: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """The process of an engine. memory_mb: resident after its first batch. torch: whether it imported torch."""

    engine: str
    load_s: float
    memory_mb: float
    torch: bool


@dataclass(frozen=True, slots=True)
class Report:
    """What a benchmark found. skipped: engines that do not run here, and why."""

    checkpoint: str
    digest: str
    machine: str
    threads: int
    timings: list[Timing]
    footprints: list[Footprint]
    skipped: dict[str, str]

    def as_json(self) -> str:
        """Everything, for a file."""
        return json.dumps(asdict(self), indent=2)

    def rows(self) -> list[tuple[str, ...]]:
        """The table, a row per engine and batch, with a heading first."""
        heading = ("engine", "batch", "median ms", "p99 ms", "cpu ms", "windows/s", "x torch", "MB", "imports torch")
        feet = {foot.engine: foot for foot in self.footprints}
        rows: list[tuple[str, ...]] = [heading]
        for timing in self.timings:
            foot = feet[timing.engine]
            times = (timing.median_ms, timing.p99_ms, timing.cpu_ms)
            figures = (*(f"{figure:.2f}" for figure in times), f"{timing.throughput:.0f}")
            memory = (f"{foot.memory_mb:.0f}", "yes" if foot.torch else "no")
            rows.append((timing.backend, str(timing.batch), *figures, f"{timing.speedup:.1f}", *memory))
        return rows


def benchmark(
    names: Sequence[str],
    checkpoint: Path | str,
    batches: Sequence[int] = (1, 8, 64),
    calls: int = 300,
    report: Callable[[str], None] = lambda line: None,
) -> Report:
    """Time these engines and torch eager. calls: at batch 1; larger batches get fewer. `EngineError` if torch fails."""
    files = read_checkpoint(checkpoint)
    skipped: dict[str, str] = {}
    running: list[Child] = []
    try:
        for name in dict.fromkeys((*names, REFERENCE)):
            child = Child(name, files.folder)
            running.append(child)
            if child.error:
                skipped[name] = child.error
                child.close()
                running.remove(child)
        if REFERENCE not in [child.name for child in running]:
            raise EngineError(f"torch, which all are compared with, does not run: {skipped[REFERENCE]}")
        timings = [timing for batch in batches for timing in take_turns(running, batch, calls, report)]
        footprints = [child.footprint for child in running]
    finally:
        for child in running:
            child.close()
    return Report(files.name, files.digest, machine(), 1, timings, footprints, skipped)


def take_turns(running: Sequence["Child"], batch: int, calls: int, report: Callable[[str], None]) -> list[Timing]:
    """All engines at one batch size, in rounds."""
    count = max(2, calls // ROUNDS // max(1, batch // 4))
    taken: dict[str, list[tuple[float, float]]] = {child.name: [] for child in running}
    for number in range(ROUNDS):
        report(f"batch {batch}, round {number + 1} of {ROUNDS}")
        for child in running:
            taken[child.name] += child.measure(batch, count)
    reference = [quantile(times, 0.5) for times in zip(*taken[REFERENCE], strict=True)]
    return [timing(child, batch, taken[child.name], reference) for child in running]


def timing(child: "Child", batch: int, taken: Sequence[tuple[float, float]], reference: Sequence[float]) -> Timing:
    """The figures of one engine from its calls (clock and processor, milliseconds)."""
    clock, processor = (list(times) for times in zip(*taken, strict=True))
    median, cpu = quantile(clock, 0.5), quantile(processor, 0.5)
    speedup = reference[1] / cpu if "cpu" in child.backend else reference[0] / median
    figures = (median, quantile(clock, 0.99), cpu, batch / median * 1000, speedup)
    return Timing(child.name, child.backend, batch, *(round(figure, 4) for figure in figures))


def quantile(times: Sequence[float], share: float) -> float:
    """The value that this share of the times does not exceed."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    """The processor, in its own words."""
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores"


class Child:
    """An engine in a process of its own, asked over its pipes."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.error = name, ""
        command = [sys.executable, "-m", "engines.bench", name, str(folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        said = self._read()
        if "error" in said:
            self.error = said["error"]
            return
        self.backend: str = said.pop("backend")
        self.footprint = Footprint(name, **said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def measure(self, batch: int, count: int) -> list[tuple[float, float]]:
        """Milliseconds of `count` calls, by the clock and of the processor."""
        self._write({"batch": batch, "count": count})
        return [(clock, processor) for clock, processor in self._read()["times"]]

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            cast(IO[str], pipe).close()
        self._process.wait()

    def _write(self, message: dict[str, int]) -> None:
        pipe = cast(IO[str], self._process.stdin)
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    def _read(self) -> dict[str, Any]:
        line = cast(IO[str], self._process.stdout).readline()
        return json.loads(line) if line else {"error": f"its process ended with code {self._process.wait()}"}


def serve(name: str, folder: Path) -> None:
    """The process of a `Child`: load, say so, then time what is asked for until the pipe closes."""
    begin = time.perf_counter()
    from ebmc_core.errors import EbmcError
    from engines.selection import make_engine
    from engines.verify import golden_batch

    def say(**message: object) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    try:
        with make_engine(name, folder) as engine:
            config = read_checkpoint(folder).config
            engine.infer(golden_batch(config, 1))
            loaded = round(time.perf_counter() - begin, 2)
            say(backend=engine.backend, load_s=loaded, memory_mb=resident_mb(), torch="torch" in sys.modules)
            for line in sys.stdin:
                asked = json.loads(line)
                batch = golden_batch(config, asked["batch"])
                times: list[tuple[float, float]] = []
                for _ in range(asked["count"] + 1):  # the first one warms the caches up
                    start, spent = time.perf_counter(), time.process_time()
                    engine.infer(batch)
                    times.append(((time.perf_counter() - start) * 1000, (time.process_time() - spent) * 1000))
                say(times=times[1:])
    except EbmcError as error:
        say(error=str(error))


def resident_mb() -> float:
    """Resident memory of this process, megabytes."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return round(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]))
