"""ONNX graphs of the front ends, opened alike: ONNX Runtime on one thread, silent."""

from pathlib import Path

import onnxruntime

from ebmc_core.errors import CheckpointError


def new_session(model: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A graph that any thread may run. Raises what ONNX Runtime raises, whose errors share no root."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def open_graph(model: Path, mend: str) -> onnxruntime.InferenceSession:
    """The graph of a face network. Raises `CheckpointError`, with the mend."""
    try:
        return new_session(model)
    except Exception as error:
        raise CheckpointError(f"no usable face network at {model}: {mend}") from error
