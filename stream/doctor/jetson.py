"""A Jetson's release, board, power mode and clocks, from files that need no rights to be read."""

import re
from collections.abc import Iterator
from pathlib import Path

from stream.doctor.finding import Finding, read

RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")
JETPACKS = {35: "5", 36: "6"}  # by the number of L4T; 38 and what comes after it is JetPack 7
FIRST_OF_7 = 38


def on_jetson(root: Path) -> bool:
    """Whether this is Linux for Tegra."""
    return (root / "etc/nv_tegra_release").is_file()


def jetson(root: Path) -> Iterator[Finding]:
    """Nothing on another machine."""
    if not on_jetson(root):
        return
    if board := read(root / "proc/device-tree/model"):
        yield Finding("jetson", "board", board)
    found = RELEASE.search(read(root / "etc/nv_tegra_release"))
    major = int(found[1]) if found else 0
    told = f"L4T {found[1]}.{found[2]}" if found else "L4T, of a release that its file does not tell"
    jetpack = JETPACKS.get(major, "7" if major >= FIRST_OF_7 else None)
    exact = package_version("nvidia-jetpack", root)
    named = f"JetPack {exact}" if exact else f"JetPack {jetpack}" if jetpack else "of an unknown JetPack"
    old = major and major < FIRST_OF_7
    mend = ": its TensorRT is for a Python older than 3.11; see deploy/jetson/README.md" if old else ""
    yield Finding("jetson", "release", f"{told}, {named}{mend}")
    for package in ("tensorrt", "python3-libnvinfer"):
        yield Finding("jetson", package, package_version(package, root) or "not installed by the system")
    yield Finding("jetson", "power mode", power_mode(root))
    yield Finding("jetson", "clocks", clocks(root))


def power_mode(root: Path) -> str:
    """The mode that nvpmodel noted, with its name."""
    noted = re.search(r"pmode:0*(\d+)", read(root / "var/lib/nvpmodel/status"))
    modes = dict(re.findall(r"POWER_MODEL ID=(\d+) NAME=(\S+)", read(root / "etc/nvpmodel.conf")))
    if not noted:
        return "not known (nvpmodel -q tells)"
    name, most = modes.get(noted[1], "no name"), next((n for n in modes.values() if n.startswith("MAXN")), None)
    slower = f"; {most} is faster: sudo nvpmodel -m" if most and not name.startswith("MAXN") else ""
    numbers = {name: number for number, name in modes.items()}
    return f"{name} ({noted[1]}){slower}{f' {numbers[most]}' if slower and most else ''}"


def clocks(root: Path) -> str:
    """Whether jetson_clocks holds the processor at its highest clock."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    low, high = (read(folder / name) for name in ("scaling_min_freq", "cpuinfo_max_freq"))
    if not (low and high):
        return "not known"
    return "held at the highest (jetson_clocks)" if low == high else "rise and fall with the load (sudo jetson_clocks)"


def package_version(name: str, root: Path) -> str | None:
    """The version of a package of the system, if it is installed."""
    for block in read(root / "var/lib/dpkg/status").split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(" "))
        if lines.get("Package") == name and lines.get("Status", "").endswith(" installed"):
            return lines.get("Version")
    return None
