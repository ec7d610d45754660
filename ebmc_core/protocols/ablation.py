"""Ablation: what the full model gains over itself with one part off, each gain bootstrapped over videos."""

import numpy as np

from ebmc_core.data.sequences import Sequences, ordered_subsets
from ebmc_core.metrics import paired_bootstrap
from ebmc_core.modality import MODALITIES
from ebmc_core.protocols.conditions import score
from ebmc_core.protocols.missing_rate import RATES, dropped
from ebmc_core.protocols.noise import LEVELS, spoiled
from ebmc_core.protocols.report import Report, Table
from ebmc_core.protocols.systems import Systems, windows

COLUMNS = ("all three", "mean of seven", "missing rate, mean", "one at 0 dB, mean")


def ablation(systems: Systems, held_out: Sequences, data: str, count: int) -> Report:
    """Accuracy in % with everything there, over the conditions, over missing rates and with one modality at 0 dB."""
    whole = held_out.held(count, np.ones(len(MODALITIES), np.int64))
    groups = (
        [whole],
        [held_out.held(count, subset) for subset in ordered_subsets()],
        [dropped(whole, rate) for rate in RATES],
        [spoiled(whole, m, LEVELS[-2]) for m in range(len(MODALITIES))],
    )
    rows: dict[str, list[list[float]]] = {}
    right: dict[str, list[np.ndarray]] = {}
    for name, seeds in systems.items():
        found = [[[score(seed, batch) for batch in batches] for seed in seeds] for batches in groups]
        rows[name] = [[100 * float(np.mean([s.accuracy for s in seed])) for seed in group] for group in found]
        right[name] = [np.mean([np.concatenate([s.right for s in seed]) for seed in group], axis=0) for group in found]
    of_group = [np.concatenate([windows(batch)[1] for batch in batches]) for batches in groups]
    first, *rest = right
    notes = [
        f"{first} over {other}: "
        + "; ".join(
            f"{column} {100 * d.gain:+.1f} (95 % {100 * d.low:+.1f} to {100 * d.high:+.1f})"
            for column, d in zip(
                COLUMNS,
                (paired_bootstrap(*three) for three in zip(right[first], right[other], of_group, strict=True)),
                strict=True,
            )
        )
        + "."
        for other in rest
    ]
    return Report("ablation", data, [Table("accuracy, %", COLUMNS, rows)], notes)
