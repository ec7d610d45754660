"""What chunks and events weigh on Kafka, and what the processes that make them take of memory.

    python -m benchmarks.sizes [--streams 1 4 8] [--heights 360 720]

Starts Apache Kafka here, as the tests do. First the bundled clip is ingested by a pipe, so that it is encoded anew as
everything live is, once for each height of its pictures. Then so many streams at once go through `ebmc ingest` at the
pace of their timestamps and through one `ebmc worker`. No times are measured, so other work beside it does little harm.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from stream.settings import load_settings
from stream.sources.source import bundled_clip
from tests.kafka.broker import kafka_jars, own_kafka
from tests.kafka.reading import read

RATE = 25
WINDOWS = 47  # of the bundled clip
PATIENCE = 600.0  # seconds for a worker to finish
EBMC = [sys.executable, "-m", "stream.cli"]


def scaled(height: int, path: Path) -> Path:
    """The bundled clip with pictures of this height, 16:9, in Matroska, which can be read from a pipe."""
    with av.open(str(path), "w", format="matroska") as target, av.open(str(bundled_clip())) as source:
        video: Any = target.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "18"})
        video.width, video.height, video.pix_fmt = height * 16 // 9, height, "yuv420p"
        sound: Any = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux():
            if packet.stream.type == "audio" and packet.dts is not None:
                packet.stream = sound
                target.mux(packet)
            elif packet.stream.type == "video":
                for picture in packet.decode():
                    frame = picture.reformat(width=video.width, height=height, format="yuv420p")
                    frame.pts, frame.time_base = round(picture.time * 1000), Fraction(1, 1000)
                    target.mux(video.encode(frame))
        target.mux(video.encode(None))
    return path


def peak(process: subprocess.Popen[Any]) -> float:
    """The most memory that a process has had so far, MB; 0 when it is over."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    found = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0].split()[1]) * 1024 / 1e6 if found else 0.0


def on_disk(folder: Path, topic: str) -> float:
    """What the broker keeps of a topic, MB; its index files, which are made large beforehand, are left out."""
    return sum(file.stat().st_size for file in folder.glob(f"data/{topic}-*/*.log")) / 1e6


def ingested(media: Path, brokers: str, topic: str, stream: str, environment: dict[str, str]) -> float:
    """Ingest a file by a pipe, at its pace; the most memory it took, MB."""
    where = ["--brokers", brokers, "--topic", topic, "--stream", stream, "--realtime"]
    most = 0.0
    with subprocess.Popen([*EBMC, "ingest", "-", *where], stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin

        def write() -> None:
            assert process.stdin
            with process.stdin as pipe:
                pipe.write(media.read_bytes())

        writing = threading.Thread(target=write)
        writing.start()
        while process.poll() is None:
            most = max(most, peak(process))
            time.sleep(0.1)
        writing.join()
    return most


def worked(count: int, media: Path, brokers: str, folder: Path, environment: dict[str, str]) -> str:
    """Streams at once through one worker: a row of the table."""
    chunks, events = f"media-{count}", f"sentiment-{count}"
    log = (folder / f"worker-{count}.log").open("w")
    command = [*EBMC, "worker", "--brokers", brokers, "--in", chunks, "--out", events, "--group", f"group-{count}"]
    with log, subprocess.Popen(command, env=environment, stderr=log) as worker:
        most: dict[int, float] = {}

        def bring(number: int) -> None:
            most[number] = ingested(media, brokers, chunks, f"cam-{number}", environment)

        cameras = [threading.Thread(target=bring, args=(number,)) for number in range(count)]
        for each in cameras:
            each.start()
        for each in cameras:
            each.join()
        begin = time.monotonic()
        while len(found := read(brokers, events)) < count * WINDOWS and time.monotonic() - begin < PATIENCE:
            time.sleep(2.0)
        taken = peak(worker)
        worker.send_signal(signal.SIGINT)
    sizes = [len(record.value or b"") for record in found]
    return (
        f"{count} streams: worker {taken:.0f} MB, each ingest {max(most.values()):.0f} MB, {len(found)} events "
        f"of {sum(sizes) / max(len(sizes), 1):.0f} bytes, on the broker's disk {on_disk(folder, events):.2f} MB"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--heights", type=int, nargs="*", default=[360, 720])
    given = parser.parse_args()
    jars = kafka_jars(load_settings().cache)
    if not isinstance(jars, Path):
        sys.exit(f"needs Apache Kafka: {jars}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "EBMC_KAFKA_SPILL": str(folder / "spill"), "EBMC_KAFKA_PARTITIONS": "4"}
        with own_kafka(jars, folder) as broker:
            for height in given.heights:
                media, topic = scaled(height, folder / f"{height}.mkv"), f"height-{height}"
                memory = ingested(media, broker.bootstrap, topic, "cam", environment)
                seconds = float(dict(read(broker.bootstrap, topic)[-1].headers)["ebmc_end"])
                disk = on_disk(folder, topic)
                print(  # noqa: T201
                    f"{height * 16 // 9}x{height}: {disk / seconds * 1000:.0f} kB a second, {memory:.0f} MB of memory"
                )
            media = scaled(360, folder / "played.mkv")
            for count in given.streams:
                print(worked(count, media, broker.bootstrap, folder, environment))  # noqa: T201


if __name__ == "__main__":
    main()
