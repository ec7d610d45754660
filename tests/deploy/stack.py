"""The services of compose.yaml as processes of this machine: the same commands, on loopback, and a real Prometheus."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.deploy.program import DEPLOY
from tests.kafka.broker import free_ports

TOKEN = "0123456789abcdef"  # of the page
DEFAULT = r"${CAMERA:-clip}", r"${CAMERA_NAME:-clip}"


def services() -> dict[str, Any]:
    """Of compose.yaml, with the defaults of its variables."""
    text = (DEPLOY / "compose.yaml").read_text()
    for variable in DEFAULT:
        text = text.replace(variable, "clip")
    return yaml.safe_load(text)["services"]


def topics(folder: Path, partitions: int = 8) -> list[NewTopic]:
    """What topics.sh makes: it is run with a program in the place of Kafka's that writes down what it is told."""
    program = folder / "kafka-topics"
    program.write_text('#!/bin/sh\nfor word; do echo "$word"; done\necho .\n')
    program.chmod(0o700)
    done = subprocess.run(
        ["sh", str(DEPLOY / "kafka" / "topics.sh"), "kafka:9092", str(partitions)],
        env={**os.environ, "KAFKA_TOPICS": str(program)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [_topic(words.split("\n")) for words in done.stdout.removesuffix("\n.\n").split("\n.\n")]


def _topic(words: list[str]) -> NewTopic:
    given = dict(pairwise(words))
    configs = dict(words[n + 1].split("=", 1) for n, word in enumerate(words) if word == "--config")
    return NewTopic(given["--topic"], int(given["--partitions"]), int(given["--replication-factor"]), None, configs)


async def make_topics(bootstrap: str, folder: Path) -> None:
    """On a broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer: Any = await admin.create_topics(topics(folder))
        assert all(code == 0 for _, code, *_ in answer.topic_errors), answer
    finally:
        await admin.close()


@dataclass
class Stack:
    """Processes that run. ports: where each tells its metrics. prometheus, page: their addresses."""

    folder: Path
    bootstrap: str
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])
    ports: dict[str, int] = field(default_factory=dict[str, int])
    prometheus: str = ""
    page: str = ""

    def start(self, service: str, name: str) -> None:
        """`ebmc …` as compose would start it, under a name of its own."""
        port, page = free_ports(2)
        token = self.folder / "token"
        token.write_text(TOKEN)
        changed = {"kafka:9092": self.bootstrap, "0.0.0.0:9464": f"127.0.0.1:{port}", "--port=8000": f"--port={page}"}
        places = {"/run/secrets/page-token": str(token), "/var/lib/ebmc": str(self.folder / name)}
        told = services()[service]
        command = [_replaced(word, changed | {"0.0.0.0": "127.0.0.1"}) for word in told["command"]]
        environment = {key: _replaced(str(value), places) for key, value in told["environment"].items()}
        log = (self.folder / f"{name}.log").open("wb")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "stream.cli", *command], stderr=log, env={**os.environ, **environment}
        )
        log.close()
        self.ports[name] = port
        if service == "page":
            self.page = f"ws://127.0.0.1:{page}/v1/stream"

    def watch(self) -> None:
        """Prometheus with prometheus.yml; the names that Docker would resolve become these ports."""
        settings = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
        (port,) = free_ports(1)
        for job in settings["scrape_configs"]:
            found = job.pop("dns_sd_configs", None)
            names = found[0]["names"] if found else []
            mine = [f"127.0.0.1:{own}" for name, own in self.ports.items() if name.rstrip("-0123456789") in names]
            job["static_configs"] = [{"targets": mine if found else [f"localhost:{port}"]}]
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        (self.folder / "alerts.yml").write_text((DEPLOY / "prometheus" / "alerts.yml").read_text())
        log = (self.folder / "prometheus.log").open("wb")
        where = f"--config.file={self.folder / 'prometheus.yml'} --storage.tsdb.path={self.folder / 'tsdb'}"
        self.processes["prometheus"] = subprocess.Popen(
            ["prometheus", *shlex.split(where), f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        )
        log.close()
        self.prometheus = f"http://127.0.0.1:{port}"

    def log(self, name: str) -> str:
        """What a process has said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")


def _replaced(word: str, changed: dict[str, str]) -> str:
    for before, after in changed.items():
        if before in word:
            return word.replace(before, after)
    return word


@contextmanager
def stack(folder: Path, bootstrap: str) -> Iterator[Stack]:
    """Nothing runs yet. At the end all that was started is told to stop, and then made to."""
    with ExitStack() as ending:
        this = Stack(folder, bootstrap)

        def end() -> None:
            for process in this.processes.values():
                process.terminate()
            for process in this.processes.values():
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)

        ending.callback(end)
        yield this
