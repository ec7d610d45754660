"""ONNX graphs of the face, opened alike: ONNX Runtime on one thread, silent."""

from pathlib import Path

import onnxruntime

from ebmc_core.errors import CheckpointError


def open_graph(model: Path, mend: str) -> onnxruntime.InferenceSession:
    """A graph that any thread may run. Raises `CheckpointError`, with the mend."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no narrower root
        raise CheckpointError(f"no usable face network at {model}: {mend}") from error
