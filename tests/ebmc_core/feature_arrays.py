"""Feature arrays with a known, learnable structure."""

from pathlib import Path

import numpy as np

from ebmc_core.data.arrays import SPLITS
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality

WIDTHS = {Modality.TEXT: 12, Modality.AUDIO: 10, Modality.VIDEO: 8}


def write_arrays(folder: Path) -> Path:
    """Three classes a modality, 1.5 deviations apart along their own direction; every item clean and noisy."""
    generator = np.random.default_rng(0)
    folder.mkdir()
    for modality in MODALITIES:
        count = 240
        label = np.arange(count) % len(SENTIMENTS)
        centres = 1.5 * generator.standard_normal((len(SENTIMENTS), WIDTHS[modality]))
        clean = centres[label] + generator.standard_normal((count, WIDTHS[modality]))
        noisy = clean + 2 * generator.standard_normal(clean.shape)
        item = np.array([f"item-{index}" for index in range(count)])
        split = np.array(SPLITS)[np.repeat([0, 0, 0, 1, 2], count // 5)]
        np.savez(
            folder / f"{modality}.npz",
            values=np.concatenate((clean, noisy)).astype(np.float32),
            quality=np.repeat([0.9, 0.3], count).astype(np.float32),
            label=np.tile(label, 2).astype(np.int8),
            item=np.tile(item, 2),
            group=np.tile(item, 2),
            split=np.tile(split, 2),
            condition=np.repeat(["clean", "noise"], count),
            source=np.repeat(["made"], 2 * count),
        )
    return folder
