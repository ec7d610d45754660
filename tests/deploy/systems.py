"""Machines made of files: what the system says of itself, below a folder."""

from pathlib import Path

L4T = "# R{major} (release), REVISION: {minor}, GCID: 1234, BOARD: generic, EABI: aarch64, DATE: Mon Jan  5 2026\n"
POWER = """< PM_CONFIG DEFAULT=0 >
< POWER_MODEL ID=0 NAME=15W >
< POWER_MODEL ID=1 NAME=7W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
"""
SERIAL = "1422523012345"
LIBRARIES = ("git", "python3-venv", "libgl1", "libegl1", "libgles2", "libglib2.0-0")


def write(root: Path, files: dict[str, str]) -> Path:
    """Files by their path below the root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def packages(**versions: str) -> str:
    """What dpkg notes of installed packages; `_` in a name stands for `-`."""
    block = "Package: {name}\nStatus: install ok installed\nArchitecture: arm64\nVersion: {version}\n"
    return "\n".join(block.format(name=name.replace("_", "-"), version=version) for name, version in versions.items())


def linux(root: Path, memory_gib: float = 16, free_gib: float = 12) -> Path:
    """Debian on a PC, with systemd as its first process."""
    meminfo = f"MemTotal: {round(memory_gib * 2**20)} kB\nMemAvailable: {round(free_gib * 2**20)} kB\n"
    return write(
        root,
        {
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
            "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
            "proc/meminfo": meminfo,
            "proc/cpuinfo": "processor : 0\nmodel name : AMD EPYC\n\nprocessor : 1\nmodel name : AMD EPYC\n",
            "proc/sys/kernel/osrelease": "6.12.0\n",
            "run/systemd/system/.keep": "",
            "var/lib/dpkg/status": "",
        },
    )


def jetson(root: Path, major: int, minor: str, mode: int = 2, memory_gib: float = 7.4, locked: bool = True) -> Path:
    """An Orin Nano. major, minor: of L4T. mode: of `POWER`. locked: jetson_clocks was run."""
    jetpack = {36: "6.2+b77", 39: "7.2+b12"}.get(major, "5.1")
    linux(root, memory_gib, memory_gib * 0.8)
    return write(
        root,
        {
            "etc/nv_tegra_release": L4T.format(major=major, minor=minor),
            "etc/nvpmodel.conf": POWER,
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super\0",
            "proc/device-tree/serial-number": f"{SERIAL}\0",
            "proc/cpuinfo": "processor : 0\nCPU part : 0xd42\n\nprocessor : 1\nCPU part : 0xd42\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "1728000" if locked else "729600",
            "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1728000",
            "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "13.0.0"}}',
            "var/lib/dpkg/status": packages(
                nvidia_jetpack=jetpack, tensorrt="11.4.1", python3_libnvinfer="11.4.1", python3_venv="3.12"
            ),
            "var/lib/nvpmodel/status": f"pmode:{mode:04}\n",
        },
    )
