"""What a GPU and its driver do for a plan, on the CPU: buffers with addresses, streams, recorded graphs, a runtime.

Only this is fake. The network behind it is the real graph in ONNX Runtime. While a graph is recorded nothing runs, as
on the device; replaying does what was recorded.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime

ADDRESSES: dict[int, "Buffer"] = {}
TAPE: list[list[Callable[[], object]]] = []


def enqueue(work: Callable[[], object]) -> None:
    """Run it, or record it."""
    if TAPE:
        TAPE[-1].append(work)
    else:
        work()


class Buffer:
    """The part of a torch tensor that the runner uses."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._array = np.zeros(shape, np.float32)
        ADDRESSES[self.data_ptr()] = self

    def pin_memory(self) -> "Buffer":
        return self

    def data_ptr(self) -> int:
        return self._array.ctypes.data

    def numpy(self) -> np.ndarray:
        return self._array

    def copy_(self, other: "Buffer", non_blocking: bool) -> None:
        assert non_blocking
        enqueue(lambda: np.copyto(self._array, other.numpy()))


class Graph:
    """A recorded run."""

    def __init__(self) -> None:
        self.work: list[Callable[[], object]] = []
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1
        for work in self.work:
            work()


class FakeTorch(SimpleNamespace):
    """`torch`, as far as the runner needs it."""

    def __init__(self, available: bool = True) -> None:
        self.graphs: list[Graph] = []

        def make() -> Graph:
            self.graphs.append(Graph())
            return self.graphs[-1]

        @contextmanager
        def record(graph: Graph, stream: object) -> Generator[None]:
            TAPE.append(graph.work)
            yield
            TAPE.pop()

        stream = SimpleNamespace(cuda_stream=7, synchronize=lambda: None)
        cuda = SimpleNamespace(
            is_available=lambda: available,
            Stream=lambda: stream,
            stream=lambda stream: nullcontext(),
            CUDAGraph=make,
            graph=record,
        )
        super().__init__(__version__="fake", cuda=cuda, zeros=lambda shape, device="cpu": Buffer(shape))


class FakeContext:
    """An execution context over ONNX Runtime, strict about order and shapes like the real one."""

    def __init__(self, session: onnxruntime.InferenceSession, profiles: int, capturable: bool) -> None:
        self._session, self._profiles, self._capturable = session, profiles, capturable
        self._inputs = {node.name: node.shape for node in session.get_inputs()}
        self._outputs = {node.name: node.shape for node in session.get_outputs()}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self.profile = -1

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self.profile = index
        return 0 <= index < self._profiles and stream == 7

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._shapes[name] = shape
        return list(shape[1:]) == list(self._inputs[name][1:])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        assert set(self._shapes) == set(self._inputs), "all input shapes are set before outputs are asked for"
        batch = self._shapes["valid"][0]
        return (batch, *(self._inputs | self._outputs)[name][1:])

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return address in ADDRESSES

    def is_stream_capturable(self, stream: int) -> bool:
        return self._capturable

    def execute_async_v3(self, stream: int) -> bool:
        assert set(self._addresses) == {*self._inputs, *self._outputs}
        enqueue(self._execute)
        return True

    def _execute(self) -> None:
        feeds = {name: ADDRESSES[self._addresses[name]].numpy() for name in self._inputs}
        for name, output in zip(self._outputs, self._session.run(list(self._outputs), feeds), strict=True):
            ADDRESSES[self._addresses[name]].numpy()[...] = output


class FakeTensorRt(SimpleNamespace):
    """The runtime half of the module; the builder half is the real one's."""

    def __init__(self, session: onnxruntime.InferenceSession, profiles: int, capturable: bool = True) -> None:
        names = [node.name for node in (*session.get_inputs(), *session.get_outputs())]
        inputs = {node.name for node in session.get_inputs()}
        shapes: dict[str, Any] = {n.name: (-1, *n.shape[1:]) for n in (*session.get_inputs(), *session.get_outputs())}
        self.contexts: list[FakeContext] = []

        def context() -> FakeContext:
            self.contexts.append(FakeContext(session, profiles, capturable))
            return self.contexts[-1]

        engine = SimpleNamespace(
            num_optimization_profiles=profiles,
            num_io_tensors=len(names),
            get_tensor_name=lambda index: names[index],
            get_tensor_mode=lambda name: "in" if name in inputs else "out",
            get_tensor_shape=lambda name: shapes[name],
            create_execution_context=context,
        )

        def deserialise(plan: bytes) -> SimpleNamespace | None:
            return engine if plan.startswith(b"vtrt") else None

        super().__init__(
            __name__="tensorrt",
            __version__="fake",
            ILogger=type("ILogger", (), {"INTERNAL_ERROR": 0, "ERROR": 1}),
            TensorIOMode=SimpleNamespace(INPUT="in"),
            Runtime=lambda log: SimpleNamespace(deserialize_cuda_engine=deserialise),
        )

    def __hash__(self) -> int:
        return id(self)
