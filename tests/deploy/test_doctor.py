"""`ebmc doctor` over machines made of files: a Jetson, a PC, a container; and what it must not tell."""

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stream.cli import app
from stream.doctor.brokers import brokers
from stream.doctor.configuration import configuration
from stream.doctor.devices import devices
from stream.doctor.engines import compilers
from stream.doctor.finding import Finding, homeless
from stream.doctor.jetson import jetson as seen_jetson
from stream.doctor.machine import LEAST_MEMORY, disk, in_container, machine, memory_limit, processor_limit
from stream.doctor.ports import ports
from stream.kafka.options import KafkaSettings
from stream.settings import load_settings
from tests.deploy.systems import SERIAL, jetson, linux, write
from tests.stream.listening import free_port


def told(findings: object) -> dict[str, str]:
    return {finding.name: finding.told for finding in findings if isinstance(finding, Finding)}  # type: ignore[union-attr]


def test_a_jetson_tells_release_power_mode_and_clocks(tmp_path: Path) -> None:
    lines = told(seen_jetson(jetson(tmp_path, 39, "2.0")))
    assert lines["release"] == "L4T 39.2.0, JetPack 7.2+b12"
    assert lines["board"] == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert lines["power mode"] == "MAXN_SUPER (2)"
    assert lines["clocks"] == "held at the highest (jetson_clocks)"
    assert lines["tensorrt"] == "11.4.1"
    assert not any(SERIAL in line for line in lines.values())


def test_a_slow_jetson_says_how_to_speed_it_up(tmp_path: Path) -> None:
    lines = told(seen_jetson(jetson(tmp_path, 36, "4.3", mode=0, locked=False)))
    assert lines["power mode"] == "15W (0); MAXN_SUPER is faster: sudo nvpmodel -m 2"
    assert lines["clocks"].endswith("(sudo jetson_clocks)")
    assert "its TensorRT is for a Python older than 3.11" in lines["release"]


def test_without_notes_of_the_system_nothing_breaks(tmp_path: Path) -> None:
    assert list(seen_jetson(tmp_path)) == []
    write(tmp_path, {"etc/nv_tegra_release": "something new\n"})
    lines = told(seen_jetson(tmp_path))
    assert lines["release"] == "L4T, of a release that its file does not tell, of an unknown JetPack"
    assert lines["power mode"] == "not known (nvpmodel -q tells)" and lines["clocks"] == "not known"


def test_a_tensorrt_of_pip_on_a_jetson_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "venv/site-packages/tensorrt").mkdir(parents=True)
    (tmp_path / "venv/site-packages/tensorrt/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path / "venv/site-packages")
    for root, good in ((linux(tmp_path / "pc"), None), (jetson(tmp_path / "jetson", 39, "2.0"), False)):
        found = {finding.name: finding for finding in compilers(root)}
        assert found["module tensorrt"].good is good, found
    assert "pip uninstall tensorrt" in found["module tensorrt"].told


def test_memory_processor_and_system(tmp_path: Path) -> None:
    lines = told(machine(tmp_path, jetson(tmp_path, 39, "2.0")))
    assert lines["memory"] == "7.4 GiB, 5.9 GiB free, no swap"
    assert lines["processor"].startswith("ARM part 0xd42, 2 cores")
    assert lines["system"] == "Debian GNU/Linux 13 (trixie), kernel 6.12.0"
    assert lines["limits"] == "none"


def test_too_little_memory_is_missing(tmp_path: Path) -> None:
    (found,) = (f for f in machine(tmp_path, linux(tmp_path, memory_gib=1.5)) if f.name == "memory")
    assert found.good is False and "a stream needs 2.0 GiB" in found.told


def test_the_lowest_limit_of_the_groups_counts(tmp_path: Path) -> None:
    #   /            kubepods 3 GiB            pod 1 GiB, half a processor
    groups = "sys/fs/cgroup/kubepods"
    write(
        linux(tmp_path),
        {
            "proc/self/cgroup": "0::/kubepods/pod\n",
            f"{groups}/memory.max": f"{3 * 2**30}\n",
            f"{groups}/cpu.max": "max 100000\n",
            f"{groups}/pod/memory.max": f"{2**30}\n",
            f"{groups}/pod/cpu.max": "50000 100000\n",
            "run/.containerenv": "",
        },
    )
    assert memory_limit(tmp_path) == 2**30 < LEAST_MEMORY
    assert processor_limit(tmp_path) == 0.5
    assert in_container(tmp_path)
    found = {finding.name: finding for finding in machine(tmp_path, tmp_path)}
    assert found["limits"].told == "1.0 GiB memory and 0.5 processors (in a container)"
    assert found["memory"].good is False


def test_groups_of_the_older_kind(tmp_path: Path) -> None:
    write(tmp_path, {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"})
    assert memory_limit(tmp_path) is None
    write(tmp_path, {"sys/fs/cgroup/memory/memory.limit_in_bytes": "1000000\n"})
    assert memory_limit(tmp_path) == 1_000_000


def test_the_disk_is_that_of_the_cache_even_before_it_is_there(tmp_path: Path) -> None:
    assert disk(tmp_path / "not" / "yet").good is True


def test_cameras_have_names(tmp_path: Path) -> None:
    write(
        tmp_path, {"dev/video0": "", "sys/class/video4linux/video0/name": "HD Camera\n", "proc/asound/cards": " 0 [A]"}
    )
    lines = told(devices(tmp_path))
    assert lines["cameras"] == "/dev/video0 (HD Camera)"
    assert lines["sound"] == "0 [A]"


def test_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("EBMC_SERVER_PORT", str(taken.getsockname()[1]))
        assert "take another with --port" in told(ports(load_settings()))["page"]
    monkeypatch.setenv("EBMC_SERVER_PORT", str(free_port()))
    assert told(ports(load_settings()))["page"].endswith("is free")


def test_a_broker_that_is_not_there_is_told_without_its_name() -> None:
    pytest.importorskip("aiokafka", reason="the extra kafka is not installed")
    (found,) = brokers((f"127.0.0.1:{free_port()}",), KafkaSettings())
    assert (found.name, found.told, found.good) == ("broker 1", "cannot be reached: Connection refused", False)
    (unknown,) = brokers(("nowhere.invalid:9092",), KafkaSettings())
    assert unknown.good is False and "nowhere" not in unknown.told


def test_settings_that_differ_are_told_and_secrets_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EBMC_")]:
        monkeypatch.delenv(name)
    assert told(configuration(load_settings())) == {"all": "the defaults"}
    for name, value in {
        "HOP": "1",
        "CACHE": str(Path.home() / "weights"),
        "KAFKA_PASSWORD": "correct horse",
        "KAFKA_USERNAME": "alice",
        "SERVER_HOST": "10.1.2.3",
        "SERVER_TOKEN": "battery staple 1234",
    }.items():
        monkeypatch.setenv(f"EBMC_{name}", value)
    lines = told(configuration(load_settings()))
    hidden = "set (not shown)"
    assert lines == {
        "hop": "1.0",
        "cache": "~/weights",
        "kafka.password": hidden,
        "kafka.username": hidden,
        "server.host": hidden,
        "server.token": hidden,
    }


def test_a_home_folder_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/alice")
    assert homeless("/home/alice/x and /home/alice") == "~/x and ~"
    assert homeless("/home/alicea/x") == "/home/alicea/x"


def test_json_for_an_issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("aiokafka", reason="the extra kafka is not installed")
    monkeypatch.setenv("EBMC_CACHE", str(tmp_path))  # no weights: something is missing
    monkeypatch.setenv("EBMC_KAFKA_PASSWORD", "correct horse")
    done = CliRunner().invoke(app, ["doctor", "--json", "--brokers", f"127.0.0.1:{free_port()}"])
    report = json.loads(done.stdout)
    assert done.exit_code == 2 and report["format"] == "ebmc.doctor/1"
    assert {"whisper-tiny.en", "broker 1"} <= set(report["lacking"])
    sections = [one["section"] for one in report["findings"]]
    wanted = ["packages", "machine", "engines", "models", "libraries", "devices", "ports", "brokers", "settings"]
    assert list(dict.fromkeys(sections)) == wanted
    assert "correct horse" not in done.stdout and socket.gethostname() not in done.stdout.split()


def test_a_broker_that_is_none_is_one_line() -> None:
    done = CliRunner().invoke(app, ["doctor", "--brokers", "localhost"])
    assert done.exit_code == 2 and "they are given as HOST:PORT" in done.output
