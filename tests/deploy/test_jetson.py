"""The installer, run for real on machines made of files, with commands that note how they were called."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.fakes import INSTALL, Host, announced, refuses
from tests.deploy.program import DEPLOY, parse, settings_from
from tests.deploy.systems import jetson, write
from tests.deploy.units import environment, exec_start, verify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bash, GNU tools and systemd: Linux")
UNIT, SETTINGS = "etc/systemd/system/ebmc@.service", "etc/ebmc/camera.env"


def test_on_a_jetson_everything_is_installed_built_and_started(orin: Host) -> None:
    done = orin.install()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn" not in done.stdout and "FAIL" not in done.stdout, done.stdout
    assert "ok    release: JetPack 7.2+b12, L4T 39.2.0" in done.stdout
    called = orin.called()
    venv, state = f"{orin.root}/opt/ebmc/venv", f"{orin.root}/var/lib/ebmc"
    assert f"python3 -m venv --system-site-packages {venv}" in called
    assert any("-m pip" in line and line.endswith(f"{DEPLOY.parent}[kafka,web]") for line in called)
    assert sum("-m pip" in line for line in called) == 1, "torch of PyPI sees the GPU: none other is needed"
    verbs = [line for line in called if line.startswith("ebmc ")]
    assert verbs == [
        "ebmc models pull",
        "ebmc engine build live-en --backend tensorrt --precision float32",
        "ebmc engine verify live-en --engine tensorrt:float32",
    ]
    for verb in verbs:
        parse(verb.split()[1:])
    assert f"XDG_CACHE_HOME={orin.root}/var/cache XDG_STATE_HOME={orin.root}/var/lib HOME={state}" in "\n".join(called)
    assert called[-4:] == [
        "systemctl daemon-reload",
        "systemctl try-restart --no-block ebmc@*.service",
        "systemctl enable ebmc@camera",
        "systemctl start --no-block ebmc@camera",
    ]
    assert not any(line.startswith(("nvpmodel", "jetson_clocks")) for line in called), "nobody asked for it"


def test_what_it_wrote_is_taken_by_systemd_and_by_the_program(orin: Host) -> None:
    assert (
        orin.install("--name", "door", "--command", "run rtsp://door.local/s --metrics 127.0.0.1:9465").returncode == 0
    )
    program = orin.root / "opt/ebmc/venv/bin/ebmc"
    assert program.is_file()
    assert verify(orin.root, "ebmc@door.service") == []
    assert (orin.root / f"{UNIT}.d/jetson.conf").is_file()
    by_hand = subprocess.run(["sh", "-n", orin.root / "opt/ebmc/ebmc"], capture_output=True, text=True, check=False)
    assert by_hand.stderr == ""
    assert (orin.root / "opt/ebmc/ebmc").read_text().endswith(' /opt/ebmc/venv/bin/ebmc "$@"\n')
    settings = (orin.root / "etc/ebmc/door.env").read_text()
    assert (orin.root / "etc/ebmc/door.env").stat().st_mode & 0o777 == 0o640
    unit = (orin.root / UNIT).read_text()
    assert parse(exec_start(unit, environment(settings)["COMMAND"]))["sources"] == ["rtsp://door.local/s"]
    assert settings_from(environment(settings)).engine == "auto"


def test_a_dry_run_changes_nothing_and_tells_the_commands_of_the_real_one(orin: Host) -> None:
    before = orin.files()
    dry = orin.install("--dry-run", "--max-power")
    assert dry.returncode == 0, dry.stderr
    assert orin.files() == before and orin.called() == []
    real = orin.install("--max-power")
    assert real.returncode == 0, real.stderr
    looked = [line for line in announced(dry) if "cuda.is_available" not in line]
    assert looked == announced(real)
    assert len(looked) > 12


def test_a_second_run_changes_nothing(orin: Host) -> None:
    assert orin.install().returncode == 0
    before = orin.files()
    again = orin.install()
    assert again.returncode == 0, again.stderr
    assert orin.files() == before
    verbs = [line for line in orin.called() if not line.startswith("runuser ")]
    assert verbs == [  # these look whether all is still so: weights there, plan still that of this driver, still right
        "ebmc models pull",
        "ebmc engine build live-en --backend tensorrt --precision float32",
        "ebmc engine verify live-en --engine tensorrt:float32",
    ]


def test_settings_of_the_user_are_kept_and_a_new_program_is_taken_up(orin: Host, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    write(
        clone,
        {"pyproject.toml": 'name = "ebmc-stream"\n', "stream/a.py": "1", "engines/a.py": "", "ebmc_core/a.py": ""},
    )
    assert orin.install("--from", str(clone)).returncode == 0
    mine = 'COMMAND="run webcam:2"\n'
    write(orin.root, {SETTINGS: mine})
    write(clone, {"stream/a.py": "2"})
    done = orin.install("--from", str(clone), "--command", "run webcam:3")
    assert done.returncode == 0
    assert (orin.root / SETTINGS).read_text() == mine
    assert "which is yours; --command and --engine do not change it" in done.stdout
    called = orin.called()
    assert any("--force-reinstall --no-deps" in line and line.endswith(str(clone)) for line in called)
    assert "systemctl try-restart --no-block ebmc@*.service" in called
    assert not any("useradd" in line or "-m venv" in line or "apt-get" in line for line in called[:1])


def test_another_python_makes_another_environment(orin: Host) -> None:
    assert orin.install().returncode == 0
    (orin.root / "opt/ebmc/venv/bin/python").write_text("#!/bin/bash\necho 3.11 /usr\n")  # before Ubuntu was updated
    assert orin.install().returncode == 0
    called = orin.called()
    assert any("-m venv" in line for line in called) and any("-m pip" in line for line in called)


def test_an_environment_that_does_not_see_tensorrt_is_made_again_when_it_should(orin: Host) -> None:
    assert orin.install("--engine", "onnx").returncode == 0
    assert not any("--system-site-packages" in line for line in orin.called())
    assert orin.install().returncode == 0
    assert any("--system-site-packages" in line for line in orin.called())
    assert orin.install("--engine", "onnx").returncode == 0
    assert not any("-m venv" in line for line in orin.called()), "to see more than is needed is no reason"


def test_power_is_set_when_asked_for(tmp_path: Path) -> None:
    slow = Host(jetson(tmp_path / "root", 39, "2.0", mode=0, locked=False), tmp_path / "bin")
    told = slow.install("--check").stdout
    assert "warn  power mode: 15W (0) is not the fastest: sudo nvpmodel -m 2, or --max-power here" in told
    assert "warn  clocks: they rise and fall with the load" in told
    assert slow.install("--max-power").returncode == 0
    assert [line for line in slow.called() if line.startswith(("nvpmodel", "jetson_clocks"))] == [
        "nvpmodel -m 2",
        "jetson_clocks ",
    ]
    told = slow.install("--check").stdout
    assert "ok    power mode: MAXN_SUPER (2)" in told and "ok    clocks: held at the highest" in told


def test_without_the_module_of_tensorrt_it_goes_on_unless_tensorrt_was_asked_for(orin: Host) -> None:
    orin.tensorrt = ""
    refuses(orin, "--engine", "tensorrt:float16", says="sudo apt-get install -y nvidia-jetpack")
    done = orin.install()
    assert done.returncode == 0
    assert "warn  TensorRT: python3 has no module tensorrt" in done.stdout
    assert not any("ebmc engine" in line for line in orin.called())


def test_a_torch_that_sees_no_gpu(orin: Host) -> None:
    orin.gpu = False
    done = orin.install("--engine", "tensorrt:float16")
    assert done.returncode == 1
    assert "torch sees no GPU; name NVIDIA's index for this JetPack with --torch-index URL" in done.stderr
    assert 'the step "torch" failed' in done.stderr
    done = orin.install("--engine", "tensorrt:float16", "--torch-index", "https://index.example/jp7")
    assert done.returncode == 0, done.stderr
    (swap,) = (line for line in orin.called() if "--index-url" in line)
    assert swap.endswith(
        "--force-reinstall --no-deps --index-url https://index.example/jp7 torch==2.11.0 torchaudio==2.11.0"
    )
    assert "ebmc engine build live-en --backend tensorrt --precision float16" in orin.called()


@pytest.mark.parametrize(("fails", "named"), [("pip", "program"), ("models pull", "weights")])
def test_after_a_failure_the_same_command_goes_on(orin: Host, fails: str, named: str) -> None:
    orin.fails = fails
    done = orin.install()
    assert done.returncode == 1
    assert f'the step "{named}" failed' in done.stderr and "Run the same command again" in done.stderr
    assert not any("systemctl start" in line for line in orin.called())
    orin.fails = ""
    assert orin.install().returncode == 0
    called = orin.called()
    assert not any("-m venv" in line for line in called), "that was done before"
    assert any("systemctl start" in line for line in called)


def test_an_engine_that_cannot_be_built_leaves_the_cpu(orin: Host) -> None:
    orin.fails = "engine build"
    done = orin.install()
    assert done.returncode == 0 and "going on with ONNX Runtime on the CPU" in done.stdout
    assert "systemctl start --no-block ebmc@camera" in orin.called()


def test_where_systemd_does_not_run_nothing_is_started(orin: Host) -> None:
    shutil.rmtree(orin.root / "run/systemd")
    done = orin.install()
    assert done.returncode == 0 and "installed, not started" in done.stdout
    assert not any("systemctl" in line for line in orin.called())


def test_uninstall_keeps_what_is_the_users_and_purge_does_not(orin: Host) -> None:
    before = set(orin.files())
    assert orin.install().returncode == 0
    write(orin.root, {"var/lib/ebmc/kafka/spilled": "1", "var/cache/ebmc/weights/w": "1"})
    dry = orin.install("--uninstall", "--dry-run")
    assert orin.called() == [] and (orin.root / UNIT).is_file()
    done = orin.install("--uninstall")
    assert done.returncode == 0, done.stderr
    assert announced(dry)[: len(announced(done))] == announced(done) or set(announced(done)) <= set(announced(dry))
    assert orin.called() == ["systemctl disable --now ebmc@camera", "systemctl daemon-reload"]
    assert set(orin.files()) - before == {SETTINGS, "var/lib/ebmc/kafka/spilled", "var/cache/ebmc/weights/w"}
    assert not (orin.root / "opt/ebmc").exists()
    assert orin.install("--uninstall", "--purge").returncode == 0
    assert set(orin.files()) == before
    assert f"userdel --prefix {orin.root} ebmc" in orin.called()
    assert "nothing is installed" in orin.install("--uninstall").stdout


def test_another_prefix(orin: Host) -> None:
    assert orin.install("--prefix", "/data/ebmc").returncode == 0
    assert "ExecStart=/data/ebmc/venv/bin/ebmc $COMMAND" in (orin.root / UNIT).read_text()
    assert verify(orin.root, "ebmc@camera.service") == []


def test_help_names_every_option() -> None:
    text = subprocess.run(["bash", INSTALL, "--help"], capture_output=True, text=True, check=True).stdout
    script = INSTALL.read_text()
    for option in (
        "--command",
        "--name",
        "--engine",
        "--root",
        "--torch-index",
        "--max-power",
        "--uninstall",
        "--purge",
    ):
        assert f"  {option} " in text, option
        assert option in script.split("usage()")[1]
    for example in (line.strip() for line in text.splitlines() if "--command" in line and "install.sh" in line):
        words = shlex.split(example)
        parse(shlex.split(words[words.index("--command") + 1]))
