"""Commands that write down how they were called, and do as much as the installer needs to see of what they would do."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.program import DEPLOY

INSTALL = DEPLOY / "jetson" / "install.sh"
NOTED = 'echo "${0##*/} $*" >> "$FAKE_LOG"\n'
SCRIPTS = {
    "apt-get": """
[ "$1" = install ] || exit 0
for package in "${@:2}"; do
  case $package in -*) continue ;; esac
  printf '\\nPackage: %s\\nStatus: install ok installed\\nVersion: 1\\n' "$package" >> "$ROOT/var/lib/dpkg/status"
done""",
    "nvpmodel": 'echo "pmode:000$2" > "$ROOT/var/lib/nvpmodel/status"; [ ! -t 0 ]',
    "jetson_clocks": "cp $ROOT/sys/devices/system/cpu/cpu0/cpufreq/{cpuinfo_max_freq,scaling_min_freq}",
    "chown": "",
    "install": 'for last; do :; done; mkdir -p "$last"',
    "useradd": 'echo "ebmc:x:999:999::/var/lib/ebmc:/usr/sbin/nologin" >> "$ROOT/etc/passwd"',
    "userdel": 'sed -i "/^ebmc:/d" "$ROOT/etc/passwd"',
    "runuser": 'shift 3; exec "$@"',
    "df": 'echo "Filesystem 1024-blocks Used Available Capacity Mounted on"; echo "/dev/x 1 1 $FAKE_FREE_KIB 1% /"',
    "systemctl": """
unit=${*: -1}; state=$ROOT/run/fake
mkdir -p "$state"
case $1 in
  enable) touch "$state/enabled-$unit" ;;
  start) touch "$state/active-$unit" ;;
  disable) rm -f "$state/enabled-$unit" "$state/active-$unit" ;;
  is-enabled) test -e "$state/enabled-$unit" ;;
  is-active) test -e "$state/active-$unit" ;;
esac""",
    "ebmc": '[ "$FAKE_FAILS" != "$1 $2" ]',
    "python3": """
case "$*" in
  *version_info*) [ -n "$FAKE_PYTHON" ] && echo "$FAKE_PYTHON" ;;
  *base_prefix*) echo "$FAKE_PREFIX" ;;
  *"import tensorrt"*) [ -n "$FAKE_TENSORRT" ] && echo "$FAKE_TENSORRT" ;;
  *cuda.is_available*) [ -n "$FAKE_GPU" ] || grep -q -- --index-url "$FAKE_LOG" ;;
  *'version("torch")'*) echo 2.11.0 ;;
  "-m venv "*)
    mkdir -p "${*: -1}/bin" && cp "$0" "${*: -1}/bin/python" && cp "${0%/*}/ebmc" "${*: -1}/bin/ebmc"
    case "$*" in *--system-site-packages*) seen=true ;; *) seen=false ;; esac
    echo "include-system-site-packages = $seen" > "${*: -1}/pyvenv.cfg" ;;
  "-m pip "*) [ "$FAKE_FAILS" != pip ] ;;
esac""",
}
PROBES = ("python3 -c", "python3.11 -c", "python -c", "df ", "systemctl is-")  # these only look


@dataclass
class Host:
    """A machine made of files, with such commands.

    python, tensorrt: their versions, "" for none. gpu: whether torch sees it. free_gib: room on the disk. fails: `pip`
    or the verb of `ebmc` that fails. prefix: where Python lives.
    """

    root: Path
    folder: Path
    python: str = "3.12"
    tensorrt: str = "11.4.1"
    gpu: bool = True
    free_gib: float = 40
    fails: str = ""
    prefix: str = "/usr"

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for name, script in SCRIPTS.items():
            path = self.folder / name
            path.write_text(f"#!/bin/bash\n{NOTED}{script}\n")
            path.chmod(0o755)
        shutil.copy(self.folder / "python3", self.folder / "python3.11")

    @property
    def log(self) -> Path:
        return self.folder.parent / "called.txt"

    def install(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run the installer here. Only these commands and those of the base system are found."""
        self.log.write_text("")
        environment = {
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "LC_ALL": "C",
            "ROOT": str(self.root),
            "FAKE_LOG": str(self.log),
            "FAKE_PYTHON": self.python,
            "FAKE_TENSORRT": self.tensorrt,
            "FAKE_GPU": "yes" if self.gpu else "",
            "FAKE_FREE_KIB": str(round(self.free_gib * 2**20)),
            "FAKE_FAILS": self.fails,
            "FAKE_PREFIX": self.prefix,
        }
        return subprocess.run(
            ["bash", str(INSTALL), *options],
            env=environment,
            cwd=os.sep,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def called(self) -> list[str]:
        """What was called in the last run, without what only looks."""
        return [line for line in self.log.read_text().splitlines() if not line.startswith(PROBES)]

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its content and the time of its last change."""
        found = (path for path in sorted(self.root.rglob("*")) if path.is_file() and "run/fake" not in str(path))
        return {str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def announced(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The commands that it said it runs."""
    return [line for line in done.stdout.splitlines() if line.startswith("+ ")]


def refuses(host: Host, *options: str, says: str) -> None:
    """Exit code 2, the reason in one line, nothing changed, nothing called."""
    before = host.files()
    done = host.install(*options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
    assert host.files() == before and host.called() == []
