"""Whether the ports that the program takes by default are free."""

import socket
from collections.abc import Iterator

from stream.doctor.finding import Finding
from stream.health import HOST, PORT
from stream.settings import Settings


def ports(settings: Settings) -> Iterator[Finding]:
    """That of the metrics, and that of the page."""
    for name, port, mend in (("metrics", PORT, "--metrics HOST:PORT"), ("page", settings.server.port, "--port")):
        taken = port and not _free(port)
        told = f"{port} is in use, by this program or another: take another with {mend}" if taken else f"{port} is free"
        yield Finding("ports", name, told if port else "any free one")


def _free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError:
            return False
    return True
