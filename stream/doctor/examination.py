"""Everything that is looked at, in the order it is shown."""

from collections.abc import Iterator
from pathlib import Path

from stream.doctor.brokers import brokers
from stream.doctor.configuration import configuration
from stream.doctor.devices import devices
from stream.doctor.engines import compilers, engines
from stream.doctor.finding import Finding
from stream.doctor.jetson import jetson
from stream.doctor.machine import machine
from stream.doctor.ports import ports
from stream.doctor.program import libraries, models, packages
from stream.settings import Settings

ROOT = Path("/")


def examine(settings: Settings, addresses: tuple[str, ...] = (), root: Path = ROOT) -> Iterator[Finding]:
    """Engines are tried for real. addresses: brokers to be reached. root: where the system's files are.

    Raises `CheckpointError`.
    """
    yield from packages()
    yield from machine(settings.cache, root)
    yield from jetson(root)
    yield from engines(settings.checkpoint)
    yield from compilers(root)
    yield from models(settings)
    yield from libraries()
    yield from devices(root)
    yield from ports(settings)
    yield from brokers(addresses, settings.kafka)
    yield from configuration(settings)
