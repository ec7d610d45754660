"""A small EBMC with its real code, and feature arrays with a known, learnable structure."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ebmc_core.config import EbmcConfig
from ebmc_core.data.arrays import SPLITS
from ebmc_core.modality import MODALITIES, SENTIMENTS, Modality
from ebmc_core.model import EBMC

WIDTHS = {Modality.TEXT: 12, Modality.AUDIO: 10, Modality.VIDEO: 8}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def config() -> EbmcConfig:
    return EbmcConfig(WIDTHS, width=16, part=8, heads=2, context=6)


@pytest.fixture(scope="session")
def model(config: EbmcConfig) -> EBMC:
    """Untrained, with parameters far enough from their start that every path carries signal."""
    torch.manual_seed(3)
    model = EBMC(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@pytest.fixture
def arrays_folder(tmp_path: Path) -> Path:
    """Three classes a modality, 1.5 deviations apart along their own direction; every item clean and noisy."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "features"
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
