"""Runs a TensorRT plan with torch's CUDA buffers, and replays it as a CUDA graph. Not run on hardware yet."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from ebmc_core.batch import Float
from engines.buckets import bucket_for, fill_bucket
from engines.build import Batches, compiler_log, named
from engines.errors import EngineError


class Runner(Protocol):
    """A loaded plan."""

    def run(self, feeds: Mapping[str, Float]) -> dict[str, Float]:
        """Inputs by name to outputs by name. `EngineError` for a batch outside the profiles, or when the GPU fails."""
        ...


class PlanRunner:
    """A plan on the GPU: one context per profile, each with its buffers, all on one stream of its own.

    Making it raises `EngineError` if the plan does not deserialise or its shapes are not those of the profiles.
    """

    def __init__(self, trt: Any, plan: bytes, profiles: Sequence[Batches], torch: Any = None) -> None:
        torch = torch or import_module("torch")
        self._trt, self._torch = trt, torch
        if not torch.cuda.is_available():
            raise EngineError(f"torch {torch.__version__} cannot use the GPU, and the buffers are torch's")
        log = compiler_log(trt)
        log.lines.clear()
        self._runtime = trt.Runtime(log)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"{named(trt)} cannot load the plan: {log.said()}")
        if self._engine.num_optimization_profiles != len(profiles):
            raise EngineError(f"the plan has {self._engine.num_optimization_profiles} profiles, not {len(profiles)}")
        self._stream = torch.cuda.Stream()
        try:
            self._slots = {high: self._slot(index, high) for index, (_, _, high) in enumerate(profiles)}
        except RuntimeError as error:
            raise EngineError(f"{named(trt)} cannot make room on the GPU: {error}") from error

    def run(self, feeds: Mapping[str, Float]) -> dict[str, Float]:
        """As the protocol says."""
        streams = len(next(iter(feeds.values())))
        bucket = bucket_for(streams, list(self._slots))
        try:
            outputs = self._slots[bucket].replay(fill_bucket(feeds, bucket))
        except RuntimeError as error:
            raise EngineError(f"the GPU failed: {error}") from error
        return {name: output[:streams] for name, output in outputs.items()}

    def _slot(self, profile: int, batch: int) -> "Slot":
        context = context_for(self._trt, self._engine)
        if context is None or not context.set_optimization_profile_async(profile, self._stream.cuda_stream):
            raise EngineError(f"the plan gives no context for batches of {batch}")
        self._stream.synchronize()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        inputs = [name for name in names if self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.INPUT]
        for name in inputs:
            shape = (batch, *tuple(self._engine.get_tensor_shape(name))[1:])
            if not context.set_input_shape(name, shape):
                raise EngineError(f"the plan refuses {name} {list(shape)}")
        shapes = {name: tuple(context.get_tensor_shape(name)) for name in names}
        return Slot(self._torch, context, self._stream, shapes, inputs)


def context_for(trt: Any, engine: Any) -> Any:
    """A context for one fixed shape. TensorRT-RTX compiles its kernels on the device: have it do so at once.

    Left to itself it starts with general kernels and swaps better ones in later, which a recorded graph never sees.
    """
    strategies = getattr(trt, "DynamicShapesKernelSpecializationStrategy", None)
    if strategies is None or not hasattr(engine, "create_runtime_config"):
        return engine.create_execution_context()
    config = engine.create_runtime_config()
    config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
    return engine.create_execution_context(config)


class Slot:
    """One batch size: a context, its buffers on both sides, and the CUDA graph that joins them."""

    def __init__(
        self, torch: Any, context: Any, stream: Any, shapes: Mapping[str, tuple[int, ...]], inputs: Sequence[str]
    ) -> None:
        self._context, self._stream, self._torch, self._inputs = context, stream, torch, inputs
        self._outputs = [name for name in shapes if name not in inputs]
        self._device = {name: torch.zeros(shape, device="cuda") for name, shape in shapes.items()}
        self._host = {name: torch.zeros(shape).pin_memory() for name, shape in shapes.items()}
        for name, buffer in self._device.items():
            if not context.set_tensor_address(name, buffer.data_ptr()):
                raise EngineError(f"the plan refuses a buffer for {name}")
        with torch.cuda.stream(stream):
            self._enqueue(stream)  # first run: kernels are loaded, nothing of which may be recorded
            stream.synchronize()
            self._graph = self._record()

    def _record(self) -> Any:
        capturable = getattr(self._context, "is_stream_capturable", None)
        if capturable and not capturable(self._stream.cuda_stream):
            return None  # this release wants to allocate or compile while it runs
        graph = self._torch.cuda.CUDAGraph()
        with self._torch.cuda.graph(graph, stream=self._stream):
            self._enqueue(self._stream)
        return graph

    def _enqueue(self, stream: Any) -> None:
        for name in self._inputs:
            self._device[name].copy_(self._host[name], non_blocking=True)
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise EngineError("the plan did not run")
        for name in self._outputs:
            self._host[name].copy_(self._device[name], non_blocking=True)

    def replay(self, feeds: Mapping[str, Float]) -> dict[str, Float]:
        """Inputs of exactly this slot's shapes; the outputs are overwritten by the next call."""
        for name in self._inputs:
            self._host[name].numpy()[...] = feeds[name]
        with self._torch.cuda.stream(self._stream):
            if self._graph is None:
                self._enqueue(self._stream)
            else:
                self._graph.replay()
        self._stream.synchronize()
        return {name: self._host[name].numpy() for name in self._outputs}
