"""The stack of deploy/compose.yaml without containers: the same commands, and a Prometheus that is asked everything.

    python -m benchmarks.stack [--seconds 90]

Apache Kafka as the tests start it, `ebmc ingest` of the clip on a loop, two workers, the page with one visitor, and the
real `prometheus` with deploy/prometheus, all on loopback. Then every expression of the dashboard and of the alerts is
asked for. It prints what gave nothing and which alerts are on. Exit code 1: an expression was refused, or a panel that
must show something shows nothing.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from stream.settings import load_settings
from tests.deploy.promql import expressions
from tests.deploy.stack import TOKEN, Stack, make_topics, stack
from tests.kafka.broker import kafka_jars, own_kafka

READY = 300.0  # seconds that all processes may take to load their models
MAY_BE_EMPTY = ("DCGM_", "ALERTS", "ebmc_dropped_total", "ebmc_ingest_lag_seconds", 'stage="delivered"')


def say(line: str) -> None:
    """At once, for whoever waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ask(address: str, path: str, **query: str) -> Any:
    """What Prometheus answers."""
    with urlopen(f"{address}/api/v1/{path}?{urlencode(query)}", timeout=20) as answer:
        return json.load(answer)["data"]


def wait_until_ready(this: Stack) -> float:
    """Until each process says that it can work; the seconds that took."""
    begin = time.monotonic()
    while time.monotonic() - begin < READY:
        time.sleep(2)
        try:
            found = ask(this.prometheus, "query", query="sum(ebmc_ready)")["result"]
        except (URLError, OSError):
            continue
        if found and float(found[0]["value"][1]) == len(this.ports):
            return time.monotonic() - begin
        gone = [name for name, process in this.processes.items() if process.poll() is not None]
        if gone:
            sys.exit(f"{gone[0]} ended:\n{this.log(gone[0])[-2000:]}")
    sys.exit(f"not ready after {READY:.0f} s; see {this.folder}")


def visit(page: str) -> None:
    """Someone who plays the clip on the page."""
    try:
        with connect(page, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as socket:
            socket.send(json.dumps({"type": "configure", "source": "clip"}))
            for _ in socket:
                pass
    except ConnectionClosed:
        pass


def look(this: Stack) -> int:
    """Ask for everything; the exit code."""
    missing = 0
    for each in expressions():
        try:
            found = ask(this.prometheus, "query", query=each.text)["result"]
        except URLError as error:
            say(f"refused   {each.where}: {each.text} ({error})")
            missing += 1
            continue
        if found or each.where.startswith("Ebmc"):  # an alert gives nothing when all is well
            continue
        fine = any(part in each.text for part in MAY_BE_EMPTY)
        say(f"{'empty' if fine else 'MISSING':9} {each.where}: {each.text}")
        missing += not fine
    for alert in ask(this.prometheus, "alerts")["alerts"]:
        say(f"{alert['state']:9} {alert['labels']['alertname']}: {alert['annotations']['summary']}")
    for found in ask(this.prometheus, "query", query='process_resident_memory_bytes{job=~"ebmc-.+"}')["result"]:
        say(f"memory    {found['metric']['job']}: {float(found['value'][1]) / 1e6:.0f} MB")
    say(f"{len(expressions())} expressions, {missing} that should have given something and did not")
    return 1 if missing else 0


def main() -> int:
    """The whole of it."""
    parser = argparse.ArgumentParser(description="The stack of deploy/compose.yaml as processes, seen by Prometheus.")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long it runs once everything is ready")
    seconds: float = parser.parse_args().seconds
    jars = kafka_jars(load_settings().cache)
    if isinstance(jars, str):
        sys.exit(f"there is no Kafka: {jars}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "kafka").mkdir()
        with own_kafka(jars, folder / "kafka") as broker, stack(folder, broker.bootstrap) as this:
            asyncio.run(make_topics(broker.bootstrap, folder))
            for service, process in (
                ("ingest", "ingest"),
                ("worker", "worker-1"),
                ("worker", "worker-2"),
                ("page", "page"),
            ):
                this.start(service, process)
            this.watch()
            say(f"all are ready after {wait_until_ready(this):.0f} s")
            threading.Thread(target=visit, args=(this.page,), daemon=True).start()
            time.sleep(seconds)
            return look(this)


if __name__ == "__main__":
    sys.exit(main())
