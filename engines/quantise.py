"""Static int8: explicit quantise and dequantise nodes around every product of the float32 graph.

Symmetric, as TensorRT wants it: a scale per output channel of the weights, and for activations the largest magnitude
over calibration windows of mixed presence (scales from windows in which one modality never misses are useless: see
`docs/decisions/0004-which-engines-and-when-int8.md`, which also says why no engine takes int8 unasked).
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import onnx

from ebmc_core.batch import Float
from ebmc_core.checkpoint import load_checkpoint
from ebmc_core.data.arrays import load_arrays
from ebmc_core.data.paired import PairedWindows, Pairing
from engines.engine import feeds_from
from engines.export import INT8, describe, graph_path, onnx_from_checkpoint

Feeds = Mapping[str, Float]

BATCH = 64
SEQUENCES = 512
SEED = 8


def int8_from_checkpoint(checkpoint: Path | str, features: Path, folder: Path | None = None) -> Path:
    """Write the int8 graph beside the weights, or into `folder`, calibrated on validation windows of `features`.

    Raises `CheckpointError`, `DataError` (no or unfitting features) or `EngineError`.
    """
    loaded = load_checkpoint(checkpoint)
    config = loaded.files.config
    windows = PairedWindows(load_arrays(features), "validation", Pairing(context=config.context), SEED)
    feeds = feeds_from(windows.mixed(SEQUENCES).features, config)
    path = graph_path(loaded.files, INT8, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        quantise(onnx_from_checkpoint(checkpoint, "float32", Path(scratch)), path, feeds)
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, describe(loaded, INT8))
    onnx.save(graph, path)
    return path


def quantise(graph: Path, target: Path, feeds: Feeds) -> None:
    """Write the graph with all its products in int8, scales calibrated on feeds, to `target`."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static  # slow, and no running stream needs it

    options: dict[str, Any] = {"ActivationSymmetric": True, "WeightSymmetric": True}
    options["QDQOpTypePerChannelSupportToAxis"] = {"MatMul": -1}  # stacked weights: the last axis is the output
    logging.getLogger().addFilter(_is_no_advice)
    try:
        quantize_static(
            graph, target, cast(Any, Calibration(feeds)), QuantFormat.QDQ, ["MatMul", "Gemm"], per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, extra_options=options,
        )  # fmt: skip
    finally:
        logging.getLogger().removeFilter(_is_no_advice)


class Calibration:
    """Hands the calibration batches over, one at a time; what the library calls a `CalibrationDataReader`."""

    def __init__(self, feeds: Feeds) -> None:
        self._batches = batches(feeds)

    def get_next(self) -> dict[str, Float] | None:
        """The next batch; None at the end."""
        return next(self._batches, None)


def batches(feeds: Feeds, size: int = BATCH) -> Iterator[dict[str, Float]]:
    """The rows of feeds, `size` at a time."""
    for first in range(0, len(feeds["valid"]), size):
        yield {name: rows[first : first + size] for name, rows in feeds.items()}


def _is_no_advice(record: logging.LogRecord) -> bool:
    """Drops the advice to run shape inference first: the exporter's graph has its shapes."""
    return "pre-processing" not in record.getMessage()
