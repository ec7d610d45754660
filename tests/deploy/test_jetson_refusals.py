"""Machines on which the installer stops before it changes anything, or goes another way."""

import sys
from pathlib import Path

import pytest

from tests.deploy.fakes import Host, refuses
from tests.deploy.systems import jetson, linux, packages, write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bash and GNU tools: Linux")
UNIT, SETTINGS = "etc/systemd/system/ebmc@.service", "etc/ebmc/camera.env"


def test_jetpack_6_is_told_its_three_ways_out(tmp_path: Path) -> None:
    host = Host(jetson(tmp_path / "root", 36, "4.3"), tmp_path / "bin", python="3.10", tensorrt="10.3.0")
    refuses(host, says="JetPack 6.2+b77, L4T 36.4.3: its TensorRT module is for Python 3.10 only")
    told = host.install().stdout
    assert told.count("FAIL") == 1, "one fault is one line"
    for way in ("Move to JetPack 7", "use a container", "--python python3.11 --engine onnx"):
        assert way in told


def test_jetpack_6_goes_on_the_cpu(tmp_path: Path) -> None:
    host = Host(jetson(tmp_path / "root", 36, "4.3"), tmp_path / "bin", python="3.11", tensorrt="")
    refuses(host, "--python", "python3.11", says="stay on the CPU")
    done = host.install("--python", "python3.11", "--engine", "onnx")
    assert done.returncode == 0, done.stdout + done.stderr
    called = host.called()
    assert any(line.startswith("python3.11 -m venv") for line in called)
    assert not any("ebmc engine" in line for line in called)
    assert "EBMC_ENGINE=onnx" in (host.root / SETTINGS).read_text()


def test_an_old_jetpack_is_refused(tmp_path: Path) -> None:
    refuses(Host(jetson(tmp_path / "root", 35, "6.0"), tmp_path / "bin"), says="L4T 35.6.0 is too old")


def test_the_release_is_found_in_the_packages_too(tmp_path: Path) -> None:
    host = Host(linux(tmp_path / "root"), tmp_path / "bin")
    write(host.root, {"var/lib/dpkg/status": packages(nvidia_l4t_core="39.2.0-20260105")})
    assert "ok    release: JetPack 7, L4T 39.2.0" in host.install("--check").stdout


def test_no_jetson_at_all(pc: Host) -> None:
    refuses(pc, says="so this is no Jetson; on a PC, a server or another board add --any-linux")


def test_a_pc_is_installed_when_it_is_asked_for(pc: Host) -> None:
    done = pc.install("--any-linux")
    assert done.returncode == 0, done.stdout + done.stderr
    called = pc.called()
    (wanted,) = (line for line in called if "apt-get install" in line and line.startswith("apt-get"))
    assert wanted.endswith("libgl1 libegl1 libgles2 libglib2.0-0 python3-venv")
    assert not any("ebmc engine" in line for line in called)
    assert not (pc.root / f"{UNIT}.d").exists()
    assert "systemctl start --no-block ebmc@camera" in called


def test_libraries_that_are_there_are_not_installed(pc: Host) -> None:
    there = packages(libgl1="1", libegl1="1", libgles2="1", libglib2_0_0t64="2", python3_venv="3")
    write(pc.root, {"var/lib/dpkg/status": there.replace("libglib2-0-0t64", "libglib2.0-0t64")})
    assert pc.install("--any-linux").returncode == 0
    assert not any("apt-get" in line for line in pc.called())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"python": "3.10"}, "Python: python3 is 3.10, and 3.11 is needed"),
        ({"python": ""}, "Python: python3 is not there"),
        ({"prefix": "/home/me/.pyenv/versions/3.12.1"}, "Python: python3 lives in a home folder"),
        ({"free_gib": 3}, "disk: 3072 MiB are free for /opt/ebmc, and 8192 are needed"),
    ],
)
def test_a_machine_that_lacks_something(orin: Host, change: dict[str, object], says: str) -> None:
    for name, value in change.items():
        setattr(orin, name, value)
    refuses(orin, says=says)


def test_too_little_memory(tmp_path: Path) -> None:
    refuses(Host(jetson(tmp_path / "root", 39, "2.0", memory_gib=1.7), tmp_path / "bin"), says="a stream needs 2048")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--fast"], "there is no option --fast"),
        (["--name"], "--name needs a value"),
        (["--name", "a/b"], "letters, digits"),
        (["--engine", "torch"], "auto, onnx, tensorrt"),
        (["--prefix", "/home/me/ebmc"], "sees no home folder"),
        (["--prefix", "/opt/../etc"], "an absolute path"),
        (["--command", 'run "a b"'], "no double quotes"),
        (["--purge"], "--purge goes with --uninstall"),
        (["--from", "/nowhere"], "neither a clone"),
    ],
)
def test_a_wrong_option_is_one_line(orin: Host, options: list[str], says: str) -> None:
    refuses(orin, *options, says=says)
