"""Calibration: are probabilities what they say, before and after temperatures, and does the interval hold the truth?"""

import numpy as np
import torch

from ebmc_core.data.sequences import LabelledBatch, Sequences, ordered_subsets, subset_name
from ebmc_core.metrics import expected_calibration_error
from ebmc_core.model import EBMC, inputs_from_batch
from ebmc_core.protocols.report import Report, Table
from ebmc_core.protocols.systems import Ebmc, Systems, windows


def calibration(systems: Systems, held_out: Sequences, data: str, count: int) -> Report:
    """Expected calibration error in % and coverage of the 90 % interval in %, per subset of modalities."""
    batches = {subset_name(subset): held_out.held(count, subset) for subset in ordered_subsets()}
    before: dict[str, list[list[float]]] = {}
    after: dict[str, list[list[float]]] = {}
    covered: dict[str, list[list[float]]] = {}
    for name, seeds in systems.items():
        models = [seed.model for seed in seeds if isinstance(seed, Ebmc)]
        if len(models) < len(seeds):
            continue
        found = [[_figures(model, batch) for model in models] for batch in batches.values()]
        for number, rows in enumerate((before, after, covered)):
            rows[name] = [[100 * figures[number] for figures in cell] for cell in found]
    tables = [
        Table("calibration error, %, before temperatures", list(batches), before),
        Table("calibration error, %, after", list(batches), after),
        Table("90 % interval covers, %", list(batches), covered),
    ]
    return Report("calibration", data, tables)


def _figures(model: EBMC, batch: LabelledBatch) -> tuple[float, float, float]:
    """Calibration error before and after, coverage."""
    label, _ = windows(batch)
    real = torch.from_numpy(batch.features.valid) > 0
    inputs = inputs_from_batch(batch.features)
    with torch.inference_mode():
        raw = torch.softmax(model.represent(*inputs).logits, dim=-1)[real].numpy()
        fused = model(*inputs)
    low, high = fused.interval[real].numpy().T
    inside = (low <= label - 1) & (label - 1 <= high)
    errors = (expected_calibration_error(p, label) for p in (raw, fused.probabilities[real].numpy()))
    return (*errors, float(np.mean(inside)))  # type: ignore[return-value]
