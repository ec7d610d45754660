"""Checkpoint to ONNX: the live graph, which says what the newest window of each stream means.

Inputs (float32; `B` is the one dynamic axis, `L` the context of the checkpoint, 1 in a mask means present):
`text`, `audio`, `video` `[B, L, d]`; `present`, `quality`, `age` `[B, L, 3]`; `valid` `[B, L]`.
Outputs (float32): `probabilities` `[B, 1, 3]`, `score` `[B, 1]`, `interval` `[B, 1, 2]`, `trust` `[B, 1, 3]`,
`unimodal` `[B, 1, 3, 3]`, all as in `ebmc_core.batch.FusedBatch`. Calibration is inside the graph.
"""

import json
import logging
import warnings
from pathlib import Path

import onnx
import torch

from ebmc_core.checkpoint import Checkpoint, CheckpointFiles, load_checkpoint
from ebmc_core.graph import without_traces
from ebmc_core.modality import MODALITIES, SENTIMENTS
from ebmc_core.model import Fused, inputs_from_batch
from engines.errors import EngineError
from engines.fold import folded
from engines.half import window_module
from engines.verify import golden_batch

FORMAT = "ebmc-graph/2"  # 1 had an output for every window of the context
OPSET = 20
PRECISIONS = ("float32", "float16")
INT8 = "int8"  # not exported but quantised, from the float32 graph and recorded windows: `engines.quantise`
INPUTS = (*(str(modality) for modality in MODALITIES), "present", "quality", "age", "valid")
OUTPUTS = Fused._fields


def graph_path(files: CheckpointFiles, precision: str, folder: Path | None = None) -> Path:
    """Where the graph of a precision lies: in the checkpoint's folder, or in another one under its digest."""
    if precision not in (*PRECISIONS, INT8):
        raise EngineError(f"there is no precision {precision!r}: choose {' or '.join((*PRECISIONS, INT8))}")
    if folder:
        return folder / f"{files.name}-{files.digest[:12]}.{precision}.onnx"
    return files.graph if precision == "float32" else files.graph.with_name(f"model.{precision}.onnx")


def onnx_from_checkpoint(path_or_name: Path | str, precision: str = "float32", folder: Path | None = None) -> Path:
    """Write the graph beside the weights, or into `folder`. Raises `CheckpointError` or `EngineError`."""
    checkpoint = load_checkpoint(path_or_name)
    path = graph_path(checkpoint.files, precision, folder)
    if precision == INT8:
        raise EngineError("int8 is calibrated on windows: `ebmc engine export --precision int8 --features FOLDER`")
    path.parent.mkdir(parents=True, exist_ok=True)
    graph = graph_from_checkpoint(checkpoint, precision)
    onnx.helper.set_model_props(graph, describe(checkpoint, precision))
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    return path


def graph_from_checkpoint(checkpoint: Checkpoint, precision: str) -> onnx.ModelProto:
    """The bare graph of a loaded checkpoint."""
    batch = torch.export.Dim("batch")
    example = inputs_from_batch(golden_batch(checkpoint.files.config, streams=2))
    shapes = ([{0: batch}] * len(MODALITIES), *[{0: batch}] * 4)
    # the exporter announces every absent torchvision operator, and warns about its own internals
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            window_module(folded(checkpoint.model), precision),
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
    return without_traces(program.model_proto)


def describe(checkpoint: Checkpoint, precision: str) -> dict[str, str]:
    """What the graph says of itself: whose weights it holds, which features it takes, how it is calibrated."""
    config, calibration = checkpoint.files.config, checkpoint.model.calibration
    widths = {f"width.{modality}": str(config.widths[modality]) for modality in MODALITIES}
    rows = {name: getattr(calibration, name).tolist() for name in ("temperature", "offset", "interval", "unimodal")}
    return {
        "format": FORMAT,
        "model": checkpoint.files.name,
        "digest": checkpoint.files.digest,
        "precision": precision,
        "context": str(config.context),
        "windows": "the newest alone",
        "mask": "1 = present",
        "modalities": " ".join(MODALITIES),
        "sentiments": " ".join(SENTIMENTS),
        "calibration": json.dumps({**rows, "row": "subset of modalities present, bit m is modality m"}),
        **widths,
    }
