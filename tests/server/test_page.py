"""The page in a real browser, with a real server, a camera and a microphone that play the bundled clip.

open ─▶ live ─▶ scores, words, trust     cover ─▶ trust moves     server gone, back ─▶ live again
"""

import json
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page

from stream.event import validate
from stream.settings import load_settings
from tests.server.browser import NARROW, WIDE, chromium, record_devices, state, wait_for
from tests.server.serving import Served, served, until

LIVE = "data.connection === 'live' && Number(data.events) >= 2"
SECONDS = 45.0  # for what takes a moment on a busy machine


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what camera and microphone play: ten seconds, again and again."""
    folder = tmp_path_factory.mktemp("devices")
    record_devices(folder, 9.0)
    return folder


@pytest.fixture(scope="module")
def browser(devices: Path) -> Generator[Browser]:
    with chromium(devices) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Generator[Page]:
    """A new tab, in which nothing may go wrong unseen."""
    yield from tab(browser)


def tab(browser: Browser) -> Generator[Page]:
    context = browser.new_context(viewport=WIDE)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("request", lambda request: faults.append(request.url) if "://127.0.0.1:" not in request.url else None)
    yield page
    context.close()
    assert not [fault for fault in faults if not fault.startswith(("blob:", "data:"))]


@pytest.mark.parametrize(("query", "transport"), [("", "webrtc"), ("&transport=socket", "socket")])
def test_camera_and_microphone_become_scores_and_words(server: Served, page: Page, query: str, transport: str) -> None:
    page.goto(f"{server.web}/?source=camera{query}")
    wait_for(page, LIVE, SECONDS)
    assert state(page)["transport"] == transport
    wait_for(page, "/fellow|country/i.test(element('transcript').innerText)", SECONDS)
    wait_for(page, "trust('video') > 0 && trust('audio') > 0", SECONDS)
    assert page.evaluate(
        "Math.abs(1 - ['text', 'audio', 'video'].reduce((sum, name) => sum + Number(document.querySelector("
        "`[data-testid=\"trust-${name}\"]`).getAttribute('aria-valuenow')), 0))"
    ) == pytest.approx(0, abs=0.02)
    wait_for(page, "/ms/.test(element('latency').innerText)", SECONDS)


def test_where_webrtc_cannot_connect_the_page_takes_its_socket_and_says_so(server: Served, page: Page) -> None:
    """The browser is kept from taking the server's answer, as if a firewall stood between them."""
    page.add_init_script("RTCPeerConnection.prototype.setRemoteDescription = () => Promise.resolve()")
    page.goto(f"{server.web}/?source=camera")
    wait_for(page, "/socket/.test(element('message').innerText)", SECONDS)
    wait_for(page, f"{LIVE} && data.transport === 'socket'", SECONDS)


@pytest.mark.alone  # a delay of half a second is a window more
def test_a_covered_camera_gives_its_trust_to_the_others_and_gets_it_back(server: Served, page: Page) -> None:
    """Read off the events, so that a machine that stalls changes nothing: how many windows until the trust moved."""
    page.goto(f"{server.web}/?source=camera")
    wait_for(page, f"{LIVE} && trust('video') > 0.1", SECONDS)
    page.evaluate("document.documentElement.dataset.before = document.documentElement.dataset.events")
    page.get_by_test_id("switch-covered").click()
    wait_for(page, "trust('video') === 0", SECONDS)
    windows = page.evaluate("((data) => data.events - data.before)(document.documentElement.dataset)")
    assert windows <= 3, "two windows, and one that had closed before; seconds are measured by benchmarks/page.py"
    wait_for(page, "Math.abs(trust('text') + trust('audio') - 1) < 0.02", SECONDS)
    wait_for(page, "element('reason-video').textContent.includes('picture is black')", SECONDS)  # or first: no picture
    page.get_by_test_id("switch-covered").click()
    wait_for(page, "trust('video') > 0.1", SECONDS)


def test_two_tabs_are_two_streams(server: Served, browser: Browser, page: Page) -> None:
    page.goto(f"{server.web}/?source=camera")
    wait_for(page, LIVE, SECONDS)
    for other in tab(browser):
        other.goto(f"{server.web}/?source=clip")
        wait_for(other, LIVE, SECONDS)
        assert state(other)["stream"] != state(page)["stream"]
        page.get_by_test_id("switch-muted").click()
        wait_for(page, "trust('audio') === 0", SECONDS)
        wait_for(other, "trust('audio') > 0", SECONDS)


def test_pausing_gives_the_camera_back_and_resuming_takes_it_again(server: Served, page: Page) -> None:
    page.goto(f"{server.web}/?source=camera")
    wait_for(page, LIVE, SECONDS)
    first = state(page)["stream"]
    page.get_by_test_id("pause").click()
    wait_for(page, "data.connection === 'paused'", SECONDS)
    wait_for(page, "![...document.querySelectorAll('video')].some((v) => v.srcObject?.active)", SECONDS)
    page.get_by_test_id("pause").click()
    wait_for(page, f"{LIVE} && data.stream !== '{first}'", SECONDS)


def test_recording_saves_the_events_and_nothing_else(server: Served, page: Page, tmp_path: Path) -> None:
    page.goto(f"{server.web}/?source=clip")
    wait_for(page, LIVE, SECONDS)
    page.get_by_test_id("record").click()
    before = int(state(page)["events"])
    wait_for(page, f"Number(data.events) >= {before + 3}", SECONDS)
    with page.expect_download() as saving:
        page.get_by_test_id("record").click()
    saving.value.save_as(tmp_path / "saved.jsonl")
    events = [json.loads(line) for line in (tmp_path / "saved.jsonl").read_text("utf-8").splitlines()]
    assert len(events) >= 3
    for event in events:
        validate(event)
        assert event["stream"] == state(page)["stream"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_narrow_and_wide(server: Served, browser: Browser, tmp_path: Path, scheme: str) -> None:
    """No sideways scrolling, every control within reach and named. The pictures are kept with the test's output."""
    for page in tab(browser):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{server.web}/?source=clip")
        wait_for(page, "Number(data.events) >= 6", SECONDS)
        for name, size in (("wide", WIDE), ("narrow", NARROW)):
            page.set_viewport_size(size)
            page.wait_for_timeout(300)  # the chart draws itself anew
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            page.screenshot(path=tmp_path / f"{scheme}-{name}.png", full_page=True)
        nameless = page.evaluate(
            "[...document.querySelectorAll('button, a, input')].filter((e) => e.offsetParent && !"
            "(e.innerText || e.getAttribute('aria-label') || e.labels?.length || e.title)).length"
        )
        assert nameless == 0


def test_a_server_that_comes_back_is_found_again(devices: Path, browser: Browser) -> None:
    for page in tab(browser):
        with served() as first:
            page.goto(f"{first.web}/?source=clip")
            wait_for(page, LIVE, SECONDS)
            before, port = state(page)["stream"], first.port
        wait_for(page, "data.connection === 'reconnecting'", SECONDS)
        with served("--port", str(port)):
            wait_for(page, f"{LIVE} && data.stream !== '{before}'", SECONDS)


def test_nothing_leaves_the_machine_and_nothing_is_written(devices: Path, browser: Browser, tmp_path: Path) -> None:
    """Its connections while a camera is on are all of this machine; its folders stay as they were."""
    home = tmp_path / "home"
    home.mkdir()
    began = snapshot(tmp_path)
    environment = {"HOME": str(home), "TMPDIR": str(home), "EBMC_CACHE": str(load_settings().cache)}
    with served(environment=environment, cwd=home) as server:
        for page in tab(browser):
            page.goto(f"{server.web}/?source=camera")
            wait_for(page, f"{LIVE} && data.transport === 'webrtc'", SECONDS)
            process = psutil.Process(server.process.pid)
            for _ in range(100):  # some seconds, since a connection to elsewhere may be short
                sockets = process.net_connections("inet")
                assert len(sockets) >= 2  # the page's, and the one of its camera
                for socket in sockets:
                    assert socket.laddr.ip in ("127.0.0.1", "::1"), socket
                    assert not socket.raddr or socket.raddr.ip in ("127.0.0.1", "::1"), socket
                page.wait_for_timeout(50)
            written = [file.path for file in process.open_files() if file.mode != "r"]
            assert not [path for path in written if not path.startswith("/dev/")], written
        until(lambda: len(process.net_connections("udp")) == 0, 5.0, "a socket of the camera was left open")
    assert snapshot(tmp_path) == began


def snapshot(folder: Path) -> set[str]:
    """Every file in a folder, but the list of the machine's fonts that MediaPipe's imports make."""
    return {str(path) for path in folder.rglob("*") if path.is_file() and path.parent.name != "matplotlib"}


def test_modules_of_the_page_under_node() -> None:
    if not (node := shutil.which("node")):
        pytest.skip("node is not installed; it runs the tests of the page's own modules")
    tests = sorted(map(str, (Path(__file__).parent.parent / "page").glob("*.test.mjs")))
    done = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
