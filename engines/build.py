"""ONNX to a TensorRT plan, over the API that `tensorrt` 10 and 11 and `tensorrt_rtx` share.

The graph carries its precision (the network is strongly typed), so there is no flag for it. What a release lacks is
asked for with `hasattr`. `tensorrt_rtx` also builds ahead of time for GPUs that are not here (`targets`), on a machine
that has none.
"""

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from engines.errors import EngineError

Batches = tuple[int, int, int]  # least, best and greatest batch of an optimisation profile


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a plan is built for."""

    profiles: tuple[Batches, ...] = ((1, 1, 1), (1, 8, 8), (1, 64, 64))
    """One window at once, a few streams, many streams."""
    tf32: bool = False
    """Let float32 products use TF32 (10 bits of mantissa) on the GPUs that have it."""
    workspace: int = 256 << 20
    """Most scratch memory a kernel may use, bytes."""
    targets: tuple[str, ...] = ()
    """Compute capabilities to build for ahead of time, such as `sm86`; empty: the GPU of this machine."""

    @property
    def flags(self) -> dict[str, Any]:
        """What changes the plan beside profiles and targets, for the key of the cache."""
        return {"tf32": self.tf32, "workspace": self.workspace}


def plan_from_onnx(trt: ModuleType, graph: bytes, options: PlanOptions, timing: bytes = b"") -> tuple[bytes, bytes]:
    """Compile a graph. Returns the plan and the timing cache to hand in next time (empty where there is none).

    Raises `EngineError` with the compiler's own words: an operation it does not know, a GPU it does not build for.
    """
    log = compiler_log(trt)
    log.lines.clear()
    builder = trt.Builder(log)
    network = builder.create_network(strongly_typed(trt))
    parser = trt.OnnxParser(network, log)
    if not (parser.parse(graph) and network.num_outputs):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        parts = (f"{error.node_operator()} ({error.node_name()}): {error.desc()}" for error in errors)
        said = "; ".join(dict.fromkeys(parts))
        raise EngineError(f"{named(trt)} does not compile this graph: {said or log.said()}")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if hasattr(trt.BuilderFlag, "TF32"):  # it is on unless cleared
        (config.set_flag if options.tf32 else config.clear_flag)(trt.BuilderFlag.TF32)
    add_profiles(builder, network, config, options.profiles)
    add_targets(trt, config, options.targets)
    timings = timing_cache(trt, config, timing) if not options.targets else None
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise EngineError(f"{named(trt)} could not build a plan: {log.said()}")
    return bytes(plan), bytes(timings.serialize()) if timings else b""


def add_profiles(builder: Any, network: Any, config: Any, profiles: tuple[Batches, ...]) -> None:
    """One optimisation profile per range of batches; every other axis is fixed in the graph."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    for batches in profiles:
        profile = builder.create_optimization_profile()
        for tensor in inputs:
            profile.set_shape(tensor.name, *((batch, *tuple(tensor.shape)[1:]) for batch in batches))
        if config.add_optimization_profile(profile) < 0:
            raise EngineError(f"the compiler refuses the batches {batches}")


def add_targets(trt: ModuleType, config: Any, targets: tuple[str, ...]) -> None:
    """The GPUs to build for ahead of time; what the compiler does not build for is an `EngineError`."""
    if not targets:
        return
    if not hasattr(trt, "ComputeCapability"):
        raise EngineError(f"{named(trt)} only builds on the GPU it runs on: leave --target out, or use tensorrt-rtx")
    known = [name for name in trt.ComputeCapability.__members__ if name.startswith("SM")]
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        name = target.upper()
        if name not in known or not config.set_compute_capability(trt.ComputeCapability.__members__[name], index):
            raise EngineError(f"{named(trt)} does not build for {target}: it builds for {', '.join(known).lower()}")


def timing_cache(trt: ModuleType, config: Any, timing: bytes) -> Any:
    """What earlier builds measured, so that this one need not; None where the compiler measures nothing (RTX)."""
    if hasattr(trt, "ComputeCapability") or not hasattr(config, "create_timing_cache"):
        return None
    for content in (timing, b""):  # what another driver measured is refused: begin anew
        timings = config.create_timing_cache(content)
        if timings and config.set_timing_cache(timings, ignore_mismatch=False):
            return timings
    return None


def strongly_typed(trt: ModuleType) -> int:
    """The flags of a network whose types are the graph's own (11 knows nothing else, and may drop the flag)."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def named(trt: Any) -> str:
    """Which compiler it was, for messages and keys."""
    return f"{trt.__name__} {trt.__version__}"


@cache
def compiler_log(trt: Any) -> Any:
    """The one logger of a compiler: the library keeps the first it gets for the life of the process."""

    class CompilerLog(trt.ILogger):
        """Keeps what went wrong, for the message of the error."""

        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            """Called by the library, from its own threads too."""
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.lines.append(message.strip().splitlines()[0])

        def said(self) -> str:
            """The errors so far, in one line."""
            return "; ".join(dict.fromkeys(self.lines)) or "it gave no reason (is it an ONNX file?)"

    return CompilerLog()
