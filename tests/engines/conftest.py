"""A small trained-shape checkpoint, exported once, for the faults that must not touch the committed one."""

from pathlib import Path

import pytest
import torch

from ebmc_core.checkpoint import save_checkpoint
from ebmc_core.config import EbmcConfig
from ebmc_core.modality import Modality
from ebmc_core.model import EBMC
from engines.export import PRECISIONS, onnx_from_checkpoint


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small checkpoint with its graphs; read only, copy it to spoil it."""
    torch.manual_seed(0)
    widths = {Modality.TEXT: 12, Modality.AUDIO: 10, Modality.VIDEO: 8}
    model = EBMC(EbmcConfig(widths, width=16, part=8, heads=2, context=6))
    folder = tmp_path_factory.mktemp("checkpoint") / "small"
    save_checkpoint(folder, "small-1", model, {})
    for precision in PRECISIONS:
        onnx_from_checkpoint(folder, precision)
    return folder
