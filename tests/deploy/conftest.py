"""Machines made of files, on which the installer is tried."""

from pathlib import Path

import pytest

from tests.deploy.fakes import Host
from tests.deploy.systems import jetson, linux


@pytest.fixture
def orin(tmp_path: Path) -> Host:
    """An Orin Nano with JetPack 7.2."""
    return Host(jetson(tmp_path / "root", 39, "2.0"), tmp_path / "bin")


@pytest.fixture
def pc(tmp_path: Path) -> Host:
    """A PC with Debian."""
    return Host(linux(tmp_path / "root"), tmp_path / "bin", tensorrt="", gpu=False)
