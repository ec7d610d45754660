"""A model repository for NVIDIA's Triton server: the live graph, and a configuration that batches by itself."""

import shutil
from pathlib import Path

from ebmc_core.checkpoint import CheckpointFiles, read_checkpoint
from ebmc_core.modality import MODALITIES, SENTIMENTS
from engines.errors import EngineUnavailable

LARGEST, PREFERRED, WAIT_US = 64, (8, 64), 2000


def triton_repository(path_or_name: Path | str, folder: Path) -> Path:
    """Write `NAME/config.pbtxt` and `NAME/1/model.onnx` below `folder`; returns the model's folder.

    Raises `CheckpointError`, or `EngineUnavailable` when the graph was never exported.
    """
    files = read_checkpoint(path_or_name)
    if not files.graph.is_file():
        raise EngineUnavailable(f"{files.graph} is missing: make it with `ebmc engine export {files.folder}`")
    model = folder / files.name
    (model / "1").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(files.graph, model / "1" / "model.onnx")
    (model / "config.pbtxt").write_text(triton_config(files), encoding="utf-8")
    return model


def triton_config(files: CheckpointFiles) -> str:
    """The configuration in protobuf text form (`inference.ModelConfig`). The batch axis is left out of all dims."""
    context, count = files.config.context, len(MODALITIES)
    inputs = {str(modality): (context, files.config.widths[modality]) for modality in MODALITIES}
    inputs |= {name: (context, count) for name in ("present", "quality", "age")} | {"valid": (context,)}
    classes = len(SENTIMENTS)
    outputs = {
        "probabilities": (1, classes),
        "score": (1,),
        "interval": (1, 2),
        "trust": (1, count),
        "unimodal": (1, count, classes),
    }
    lines = [
        f'name: "{files.name}"',
        'backend: "onnxruntime"',
        f"max_batch_size: {LARGEST}",
        *(tensor("input", name, dims) for name, dims in inputs.items()),
        *(tensor("output", name, dims) for name, dims in outputs.items()),
        "dynamic_batching {",
        *(f"  preferred_batch_size: {size}" for size in PREFERRED),
        f"  max_queue_delay_microseconds: {WAIT_US}",
        "}",
        f'parameters {{ key: "digest" value {{ string_value: "{files.digest}" }} }}',
        'parameters { key: "intra_op_thread_count" value { string_value: "1" } }',
    ]
    return "\n".join(lines) + "\n"


def tensor(kind: str, name: str, dims: tuple[int, ...]) -> str:
    """One input or output."""
    sizes = ", ".join(str(size) for size in dims)
    return f'{kind} {{\n  name: "{name}"\n  data_type: TYPE_FP32\n  dims: [{sizes}]\n}}'
