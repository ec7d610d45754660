"""Processor, memory and disk, and how much of them a container or a service leaves to this process."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from stream.doctor.finding import Finding, gibibytes, homeless, read

LEAST_MEMORY = 2.0 * 2**30  # bytes; one stream took 1.1 GiB at its peak, and loading it needs some more
LEAST_ROOM = 0.5 * 2**30  # bytes; the weights are 195 MB, and are unpacked beside themselves
UNLIMITED = 2**60  # bytes; version 1 of the groups says "no limit" with a number near 2^63


def machine(cache: Path, root: Path) -> Iterator[Finding]:
    """cache: the folder whose disk is looked at. root: where the system's files are."""
    yield Finding("machine", "system", _system(root))
    yield Finding("machine", "processor", processor(root))
    yield memory(root)
    limits = [f"{gibibytes(limit)} memory" for limit in (memory_limit(root),) if limit is not None]
    limits += [f"{share:g} processors" for share in (processor_limit(root),) if share is not None]
    where = " (in a container)" if in_container(root) else ""
    yield Finding("machine", "limits", f"{' and '.join(limits) or 'none'}{where}")
    yield disk(cache)


def _system(root: Path) -> str:
    named = re.search(r'^PRETTY_NAME="?([^"\n]+)', read(root / "etc/os-release"), re.MULTILINE)
    kernel = read(root / "proc/sys/kernel/osrelease")
    return f"{named[1] if named else 'unknown'}, kernel {kernel or 'unknown'}"


def processor(root: Path) -> str:
    """Its model and how many of its cores this process may use."""
    told = read(root / "proc/cpuinfo")
    online = len(re.findall(r"^processor\s*:", told, re.MULTILINE)) or os.cpu_count() or 1
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else online
    part = re.search(r"^CPU part\s*:\s*(\S+)$", told, re.MULTILINE)  # what ARM says in the place of a name
    name = found[1] if found else f"ARM part {part[1]}" if part else "unknown model"
    return f"{name}, {online} cores" + (f", {usable} of them for this process" if usable < online else "")


def memory(root: Path) -> Finding:
    """Of the machine, or of the group this process is in."""
    sizes = {
        name: int(size) * 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", read(root / "proc/meminfo"), re.M)
    }
    total, free = sizes.get("MemTotal"), sizes.get("MemAvailable")
    if total is None or free is None:
        return Finding("machine", "memory", "not known")
    swap = f", swap {gibibytes(sizes['SwapTotal'])}" if sizes.get("SwapTotal") else ", no swap"
    told, most = f"{gibibytes(total)}, {gibibytes(free)} free{swap}", min(total, memory_limit(root) or total)
    if most < LEAST_MEMORY:
        return Finding("machine", "memory", f"{told}; a stream needs {gibibytes(LEAST_MEMORY)}", False)
    return Finding("machine", "memory", told, True)


def disk(cache: Path) -> Finding:
    """Room where the weights are kept."""
    folder = next((path for path in (cache, *cache.parents) if path.is_dir()), Path("/"))
    free = shutil.disk_usage(folder).free
    told = f"{gibibytes(free)} free at {homeless(cache)}"
    if free < LEAST_ROOM:
        return Finding("machine", "disk", f"{told}: make room, or name another folder with EBMC_CACHE", False)
    return Finding("machine", "disk", told, True)


def memory_limit(root: Path) -> int | None:
    """The lowest limit of the groups this process is in, bytes; None where there is none."""
    found = [read(folder / "memory.max") for folder in _groups(root)]
    found.append(read(root / "sys/fs/cgroup/memory/memory.limit_in_bytes"))  # version 1
    numbers = [int(text) for text in found if text.isdecimal() and int(text) < UNLIMITED]
    return min(numbers, default=None)


def processor_limit(root: Path) -> float | None:
    """How many processors' time the groups leave to this process; None where there is no limit."""
    shares: list[float] = []
    for folder in _groups(root):
        quota, _, period = read(folder / "cpu.max").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            shares.append(int(quota) / int(period))
    return min(shares, default=None)


def in_container(root: Path) -> bool:
    """Whether this is Docker, Podman or a pod."""
    marks = ("proc/1/environ", "run/systemd/container")
    named = any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv", marks[1]))
    return named or "container=" in read(root / marks[0]) or "KUBERNETES_SERVICE_HOST" in os.environ


def _groups(root: Path) -> list[Path]:
    """The folders of this process' group and of those around it, version 2."""
    own = re.search(r"^0::/?(.*)$", read(root / "proc/self/cgroup"), re.MULTILINE)
    top = root / "sys/fs/cgroup"
    below = top / own[1] if own else top
    return [below, *(parent for parent in below.parents if parent == top or top in parent.parents)]
