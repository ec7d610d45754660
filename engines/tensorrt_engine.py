"""EBMC in TensorRT: the plan from the cache or built anew, proven on golden inputs, then run. Not run on hardware yet.

One class over `tensorrt` (10, 11) and `tensorrt_rtx`; which of them is a class attribute, and the module is imported
when an engine is made on a machine with a GPU.
"""

import hashlib
import logging
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Self

import platformdirs

from ebmc_core.batch import FeatureBatch, FusedBatch
from ebmc_core.checkpoint import CheckpointFiles, read_checkpoint
from engines.build import Batches, PlanOptions, plan_from_onnx
from engines.cache import PlanCache, PlanKey, replace_file
from engines.engine import feeds_from, fused_from
from engines.errors import EngineAbsent, EngineError, EngineUnavailable
from engines.gpu import Gpu, probe_gpu
from engines.tensorrt_runner import PlanRunner, Runner
from engines.verify import TOLERANCES, golden_check

log = logging.getLogger(__name__)

Loader = Callable[[ModuleType, bytes, tuple[Batches, ...]], Runner]
PLANS = platformdirs.user_cache_path("ebmc") / "plans"
GET = {
    "tensorrt": "on a Jetson it comes with JetPack, on a server: pip install tensorrt",
    "tensorrt_rtx": "pip install 'ebmc-stream[tensorrt]'",
}


class TensorRtEngine:
    """Engine over a checkpoint folder. Making it raises `EngineAbsent` without a GPU or without the library.

    Entering it builds a plan if the cache has none that holds, and says so; `EngineError` if that plan does not give
    the reference's numbers.
    """

    flavour = "tensorrt"

    def __init__(
        self,
        folder: Path,
        precision: str = "float32",
        plans: Path = PLANS,
        options: PlanOptions | None = None,
        probe: Callable[[str], Gpu] = probe_gpu,
        load: Loader = PlanRunner,
    ) -> None:
        if precision not in TOLERANCES:
            raise EngineError(f"there is no precision {precision!r}: choose {' or '.join(TOLERANCES)}")
        self._gpu = probe(GET[self.flavour])
        self._trt = import_compiler(self.flavour)
        self._files = read_checkpoint(folder)
        self._precision, self._options, self._load = precision, options or PlanOptions(), load
        self._cache = PlanCache(plans)
        self.backend = f"{self.flavour.replace('_', '-')}-{precision}"
        self.model, self.digest = self._files.name, self._files.digest
        self.context = self._files.config.context
        self._runner: Runner | None = None
        self.plan = plans  # the file, once it is entered

    def __enter__(self) -> Self:
        graph = graph_for(self._files, self._precision, self._cache.folder)
        key = plan_key(self._trt, graph, self._precision, self._options, self._gpu)
        found = self._cache.find(key)
        reason = found.reason
        if found.plan is not None:
            try:
                self._runner, self.plan = self._proven(found.plan), found.path
                return self
            except EngineError as error:
                reason = str(error)
        log.warning("%s builds a plan for the %s: %s", self.backend, self._gpu.name, reason)
        self._runner = self._proven(self._build(graph, key))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner = None

    def infer(self, batch: FeatureBatch) -> FusedBatch:
        """The newest window of each row; `FeatureError` if the batch does not fit, `EngineError` if the GPU fails."""
        if self._runner is None:
            raise EngineError(f"the {self.backend} engine is not open: use it in a with block")
        return fused_from(self._runner.run(feeds_from(batch, self._files.config)))

    def _build(self, graph: bytes, key: PlanKey) -> bytes:
        timing = self._cache.timing(key)
        known = timing.read_bytes() if timing.is_file() else b""
        plan, learned = plan_from_onnx(self._trt, graph, self._options, known)
        self.plan = self._cache.write(key, plan)
        if learned:
            replace_file(timing, learned)
        return plan

    def _proven(self, plan: bytes) -> Runner:
        """A runner whose answers on the golden inputs are those of the reference."""
        runner = self._load(self._trt, plan, self._options.profiles)
        worst = golden_check(lambda batch: fused_from(runner.run(feeds_from(batch, self._files.config))), self._files)
        if not worst <= TOLERANCES[self._precision]:
            raise EngineError(f"the plan differs from the reference by {worst:.1e} on the golden inputs")
        return runner


class TensorRtRtxEngine(TensorRtEngine):
    """The same over TensorRT for RTX, which is on PyPI and builds on machines without a GPU too."""

    flavour = "tensorrt_rtx"


def import_compiler(flavour: str) -> ModuleType:
    """`tensorrt` or `tensorrt_rtx`; `EngineAbsent` says how to get it."""
    if flavour not in GET:
        raise EngineError(f"no compiler is called {flavour!r}: choose {' or '.join(GET)}")
    try:
        return import_module(flavour)
    except ImportError as error:
        raise EngineAbsent(f"{flavour} is not installed: {GET[flavour]}") from error


def graph_for(files: CheckpointFiles, precision: str, folder: Path) -> bytes:
    """The ONNX graph of a precision; float16 is exported into `folder` when it is first needed, int8 never."""
    from engines.export import graph_path, onnx_from_checkpoint  # torch, which the buffers need anyway

    beside = graph_path(files, precision)
    if beside.is_file():
        return beside.read_bytes()
    if precision == "float32":
        raise EngineUnavailable(f"{beside} is missing: make it with `ebmc engine export {files.folder}`")
    path = graph_path(files, precision, folder)
    return (path if path.is_file() else onnx_from_checkpoint(files.folder, precision, folder)).read_bytes()


def plan_key(trt: ModuleType, graph: bytes, precision: str, options: PlanOptions, gpu: Gpu | None) -> PlanKey:
    """Everything that a plan depends on. gpu: None for a plan that is built ahead of time."""
    import torch

    return PlanKey(
        graph=hashlib.sha256(graph).hexdigest(),
        flavour=trt.__name__,
        version=trt.__version__,
        gpu=gpu.name if gpu else "",
        capability=gpu.capability if gpu else "",
        driver=gpu.driver if gpu else "",
        cuda=str(torch.version.cuda) if gpu else "",
        precision=precision,
        profiles=options.profiles,
        flags=options.flags,
        targets=tuple(sorted(options.targets)),
    )


def build_ahead(
    checkpoint: Path | str, precision: str, options: PlanOptions, plans: Path = PLANS, flavour: str = "tensorrt_rtx"
) -> Path:
    """Build a plan for `options.targets` on this machine, which needs no GPU. Returns where it lies."""
    trt = import_compiler(flavour)
    graph = graph_for(read_checkpoint(checkpoint), precision, plans)
    plan, _ = plan_from_onnx(trt, graph, options)
    return PlanCache(plans).write(plan_key(trt, graph, precision, options, None), plan)


def build_here(checkpoint: Path | str, precision: str, plans: Path = PLANS, flavour: str = "tensorrt_rtx") -> Path:
    """Build, or find, and prove the plan for the GPU of this machine. Returns where it lies."""
    kind = TensorRtRtxEngine if flavour == TensorRtRtxEngine.flavour else TensorRtEngine
    if flavour != kind.flavour:
        raise EngineError(f"no compiler is called {flavour!r}: choose {' or '.join(GET)}")
    with kind(read_checkpoint(checkpoint).folder, precision, plans) as engine:
        return engine.plan
