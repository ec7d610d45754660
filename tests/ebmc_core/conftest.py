"""A small EBMC with its real code, and feature arrays to train it on."""

from pathlib import Path

import pytest
import torch

from ebmc_core.config import EbmcConfig
from ebmc_core.model import EBMC
from tests.ebmc_core.feature_arrays import WIDTHS, write_arrays


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
    """See `write_arrays`."""
    return write_arrays(tmp_path / "features")
