"""Checkpoint to ONNX: one graph, calibration inside, batch the only dynamic axis."""

import logging
import warnings
from pathlib import Path

import onnx
import torch

from ebmc_core.checkpoint import Checkpoint, load_checkpoint
from ebmc_core.graph import without_traces
from ebmc_core.modality import MODALITIES
from ebmc_core.model import Fused, inputs_from_batch
from engines.errors import EngineError
from engines.verify import golden_batch

OPSET = 20
INPUTS = (*(str(modality) for modality in MODALITIES), "present", "quality", "age", "valid")
OUTPUTS = Fused._fields


def onnx_from_checkpoint(path_or_name: Path | str) -> Path:
    """Write `model.onnx` beside the weights and return its path. Raises `CheckpointError` or `EngineError`."""
    checkpoint = load_checkpoint(path_or_name)
    path = checkpoint.files.graph
    batch = torch.export.Dim("batch")
    example = inputs_from_batch(golden_batch(checkpoint.files.config, streams=2))
    shapes = ([{0: batch}] * len(MODALITIES), *[{0: batch}] * 4)
    # the exporter announces every absent torchvision operator, and warns about its own internals
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            checkpoint.model,
            tuple(example),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            verbose=False,
        )
    if program is None:
        raise EngineError(f"torch exported nothing for {checkpoint.files.folder}")
    graph = without_traces(program.model_proto)
    onnx.helper.set_model_props(graph, describe(checkpoint))
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    return path


def describe(checkpoint: Checkpoint) -> dict[str, str]:
    """What the graph says of itself: whose weights it holds, and which features it takes (1 in a mask is present)."""
    config = checkpoint.files.config
    widths = {f"width.{modality}": str(config.widths[modality]) for modality in MODALITIES}
    return {
        "model": checkpoint.files.name,
        "digest": checkpoint.files.digest,
        "context": str(config.context),
        "mask": "1 = present",
        **widths,
    }
