"""How late the page is, and whether a tab that stays open grows: a real browser, a camera whose pictures tell the time.

    python -m benchmarks.page [--minutes 5] [--transport webrtc|socket]

The camera shows a face for six seconds and black for two, again and again. The page notes when the last picture with
the face was before its lens; an event that says how old that picture is at the end of its window tells when that was,
and so how long after it the event arrived in the page: glass to score. Trust moves with the first message that says
so, an early event (see `stream/early.py`) or a window's own; both are told. The server looks at one picture in 0.1 s,
so the figure is up to that much too high. Memory is that of the server and of the page's scripts; growth is a line
through all samples but the first minute's. The server gives what is free back to the system twice a minute (see
`stream/heap.py`), so its memory rises and falls: what it keeps is the lowest of each minute. At the end the tab is
closed, and how long the server takes to free its session noted.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import typer
from playwright.sync_api import Page

from stream.bench.take import clean_take
from stream.records import AudioFrame, VideoFrame
from tests.server.browser import chromium, record_sound, state
from tests.server.serving import served, until

FACE, BLACK, RATE = 6.0, 2.0, 25  # seconds, seconds, pictures per second
PICTURE = 0.1  # seconds between two pictures that the server looks at
WARM, EVERY, MINUTE = 60.0, 1.0, 60.0  # seconds
WATCH = """() => {
    const video = document.querySelector("video");
    const small = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
    let bright = 0;
    window.lastFace = 0;
    const look = () => {
        small.drawImage(video, 0, 0, 8, 8);
        const mean = small.getImageData(0, 0, 8, 8).data.reduce((sum, value) => sum + value, 0) / 256;
        const now = (performance.timeOrigin + performance.now()) / 1000;
        if (mean > 90) bright = now;
        else if (bright) { window.lastFace = bright; bright = 0; }
        video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
}"""


@dataclass(frozen=True)
class Arrival:
    """What came, and when by the wall clock. early: before the window was over."""

    came: float
    event: dict[str, Any]
    early: bool


@dataclass(frozen=True)
class Figures:
    """Delays, the server's memory and the page's, MB, each with when it was measured, seconds.

    moved: from the last picture with the face to the message in which its trust is 0, seconds; own: to the event of a
    window that says so.
    """

    late: list[tuple[float, float]]
    moved: list[float]
    own: list[float]
    memory: list[tuple[float, float]]
    heap: list[tuple[float, float]]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="Latency and growth of the page, in a real browser.")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--transport", choices=("webrtc", "socket"), default="webrtc")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record_blinking_camera(folder)
        begun = time.monotonic()
        with served() as server, chromium(folder, "--enable-precise-memory-info") as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            arrivals: list[Arrival] = []
            page.on("websocket", lambda socket: socket.on("framereceived", lambda text: note(arrivals, text)))
            page.goto(f"{server.web}/?source=camera" + ("&transport=socket" if asked.transport == "socket" else ""))
            loaded = time.monotonic() - begun
            until(lambda: look(page) or int(state(page).get("events", "0")) > 0, 60, "no event came")
            began = time.monotonic() - begun
            process = psutil.Process(server.process.pid)
            figures = follow(page, arrivals, process, asked.minutes * 60)
            page.close()
            closed = time.monotonic()
            until(lambda: b"[]" in urllib.request.urlopen(server.web + "/v1/streams").read(), 30, "a stream is left")
            until(lambda: not process.net_connections("udp"), 30, "a socket is left")
            freed = time.monotonic() - closed
    late = figures.late
    typer.echo(f"transport {asked.transport}, {asked.minutes:g} min, {len(late)} events timed")
    typer.echo(
        f"start of program and browser to the page: {loaded:.1f} s, to its first event (of a 4 s window): {began:.1f} s"
    )
    for what, times in (("all", late), ("first half", late[: len(late) // 2]), ("second half", late[len(late) // 2 :])):
        quantiles = np.quantile([value for _, value in times], (0.5, 0.95, 0.99)) * 1000
        typer.echo(f"glass to score, {what}: p50 / p95 / p99 {' / '.join(f'{value:.0f}' for value in quantiles)} ms")
    for what, times in (("", figures.moved), (", in the event of a window", figures.own)):
        quantiles = " / ".join(f"{value * 1000:.0f}" for value in np.quantile(times, (0.5, 0.95, 1.0)))
        typer.echo(f"glass black to a trust of 0{what}, {len(times)} times: p50 / p95 / most {quantiles} ms")
    for what, samples in (
        ("server, MB", figures.memory),
        ("server, lowest of each minute, MB", lowest(figures.memory)),
        ("page's scripts, MB", figures.heap),
    ):
        typer.echo(
            f"memory of the {what}: {samples[0][1]:.1f} to {samples[-1][1]:.1f}, {slope(samples) * 60:+.2f} a minute; "
            f"medians of four quarters {' / '.join(f'{np.median(part):.1f}' for part in quarters(samples))}"
        )
    typer.echo(f"tab closed to everything freed: {freed:.1f} s")


def look(page: Page) -> None:
    """Let the browser's messages in."""
    page.wait_for_timeout(50)


def note(arrivals: list[Arrival], text: str | bytes) -> None:
    """Keep an event, early or not, and when it came."""
    if isinstance(text, str) and text.startswith(('{"type": "event"', '{"type": "early"')):
        message = json.loads(text)
        arrivals.append(Arrival(time.time(), message["event"], message["type"] == "early"))


def follow(page: Page, arrivals: list[Arrival], process: psutil.Process, seconds: float) -> Figures:
    """Watch a page for so long."""
    page.evaluate(WATCH)
    late: list[tuple[float, float]] = []
    moved: dict[float, float] = {}  # last picture with the face: seconds until the trust had moved
    own: dict[float, float] = {}
    memory: list[tuple[float, float]] = []
    heap: list[tuple[float, float]] = []
    begin, due = time.time(), 0.0
    while (now := time.time() - begin) < seconds:
        page.wait_for_timeout(20)
        face = page.evaluate("window.lastFace")
        for arrival in arrivals:
            came, event = arrival.came, arrival.event
            video = event["modalities"]["video"]
            glass = face - PICTURE + video["age"]
            if face and 0 < came - face < BLACK and event["trust"]["video"] == 0:
                moved.setdefault(face, came - face)
                if not arrival.early:
                    own.setdefault(face, came - face)
            if not arrival.early and video["reason"] == "picture is black" and face and 0 < came - face < BLACK + 1:
                late.append((came - begin, came - glass))
        arrivals.clear()
        if now >= due:
            due = now + EVERY
            memory.append((now, process.memory_info().rss / 1e6))
            heap.append((now, page.evaluate("performance.memory.usedJSHeapSize") / 1e6))
        if sys.stderr.isatty():
            typer.echo(f"\r{now:.0f} of {seconds:.0f} s", nl=False, err=True)
    return Figures(late, list(moved.values()), list(own.values()), memory, heap)


def slope(samples: list[tuple[float, float]]) -> float:
    """Growth per second, after the first minute."""
    warm = [sample for sample in samples if sample[0] >= WARM] or samples
    times, values = np.array(warm).T
    return float(np.polyfit(times, values, 1)[0]) if len(warm) > 1 else 0.0


def lowest(samples: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lowest of each minute, at its middle."""
    minutes: dict[int, float] = {}
    for when, value in samples:
        minute = int(when // MINUTE)
        minutes[minute] = min(value, minutes.get(minute, value))
    return [((minute + 0.5) * MINUTE, value) for minute, value in minutes.items()]


def quarters(samples: list[tuple[float, float]]) -> list[np.ndarray]:
    """What was measured, in four stretches of time: the first holds what grows until a history is full."""
    return np.array_split(np.array([value for _, value in samples]), 4)


def record_blinking_camera(folder: Path) -> None:
    """Write the camera and the microphone of this benchmark."""
    frames = clean_take("clip", FACE, float(RATE))
    images = [frame.image for frame in frames if isinstance(frame, VideoFrame)]
    shown = [
        images[min(round(place * len(images) / (FACE * RATE)), len(images) - 1)] for place in range(int(FACE * RATE))
    ]
    shown += [np.zeros_like(images[0])] * int(BLACK * RATE)
    height, width = images[0].shape[:2]
    with av.open(str(folder / "camera.mjpeg"), "w", format="mjpeg") as camera:
        coded = camera.add_stream("mjpeg", rate=RATE)
        coded.width, coded.height, coded.pix_fmt = width, height, "yuvj420p"
        for image in shown:
            camera.mux(coded.encode(av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuvj420p")))
        camera.mux(coded.encode(None))
    record_sound(folder, [frame for frame in clean_take("clip", 19.0, 1.0) if isinstance(frame, AudioFrame)])


if __name__ == "__main__":
    main()
