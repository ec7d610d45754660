"""Write `deploy/docker/LICENCES.md`: the licence of every package that the images install.

    python -m scripts.licences

Licences are read from each package's own metadata, of the locked version; what is not installed here is fetched to be
looked at. A licence that is not on the list of those that are taken stops it, until it is named below with a reason.
"""

import email
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from email.message import Message
from importlib import metadata
from pathlib import Path

from scripts.lock import BUILD, LOCKS, ROOT, Lock, pins

TARGET = ROOT / "deploy" / "docker" / "LICENCES.md"

# free words of old metadata, and what SPDX calls them
SPDX = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache 2.0 license": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "nvidia proprietary software": "LicenseRef-NVIDIA-Proprietary",
    "python software foundation license": "PSF-2.0",
}
TAKEN = frozenset(
    "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 CNRI-Python ISC MIT MIT-0 MIT-CMU MPL-2.0 PSF-2.0 Zlib".split()
)
NVIDIA = "NVIDIA's terms for CUDA: may be passed on as part of a program; only in the images gpu and jetson"
NAMED: dict[str, str] = {"LicenseRef-NVIDIA-Proprietary": NVIDIA}  # licence to the reason why it is taken all the same
SAID: dict[str, str] = {"cuda-toolkit": "LicenseRef-NVIDIA-Proprietary"}  # packages whose metadata say nothing

# what wheels carry beside their own code and under other terms; looked up in the wheels themselves
INSIDE = {
    "av": "FFmpeg 8.1 (LGPL-3.0-or-later, it says), GnuTLS, Nettle, GMP, LAME (LGPL); "
    "**libx264, libx265 (GPL-2.0-or-later)**",
    "ctranslate2": "Intel oneMKL (Intel's terms), libgomp (GPL-3.0 with the runtime exception)",
    "numpy": "OpenBLAS (BSD-3-Clause), libgfortran (GPL-3.0 with the runtime exception)",
    "opencv-contrib-python-headless": "FFmpeg 8.1 (LGPL-2.1-or-later), OpenSSL 1.1.1k (OpenSSL), OpenBLAS, libgfortran",
    "pillow": "FreeType, libjpeg-turbo, libtiff, OpenJPEG and others, all permissive",
}

HEAD = """# Licences of what the images install
Written by `python -m scripts.licences` from the metadata of the locked versions; a test holds it against the locks.
The packages of Debian and of NVIDIA in the bases are not listed: theirs are in `/usr/share/doc/*/copyright` there,
and in NVIDIA's terms for the image `tensorrt`, to be read before an image made on it is published.

The program is Apache-2.0. The weights that were learned from research data are for non-commercial use: see
[ASSETS.md](../../ASSETS.md).

**GPL inside PyAV.** The wheel of `av` is BSD-3-Clause and carries FFmpeg with libx264 and libx265, which are
GPL-2.0-or-later. The program decodes and never calls these two, but they lie in the image, and FFmpeg is linked to
them. To run the image, or to build it for yourself, asks nothing of you. To **pass it on** (a registry from which
others pull, an appliance) makes you a distributor of GPL software: give its licence and its source, or an offer of
it, and forbid nothing that the GPL allows. Who cannot do that builds PyAV against an FFmpeg without the two (`pip
install --no-binary av av==VERSION`, with FFmpeg's headers) and puts it in the place of this one. The images gpu and
jetson hold them beside NVIDIA's CUDA libraries, whose terms are others; whether the two may be passed on together
is a question for a lawyer: build those images where they run.

**OpenSSL 1.1.1k inside OpenCV.** The wheel carries it for FFmpeg's network protocols, and its line is out of
support. Nothing here opens media or addresses with OpenCV, which only scales and measures pictures. pip-audit does
not see what is inside wheels.
"""


def described(package: str, version: str, lock: Lock | None) -> Message:
    """A package's metadata: from here if that version is installed, else from its wheel. Raises what pip does."""
    try:
        found = metadata.distribution(package)
        if found.version == version:
            return email.message_from_string(found.read_text("METADATA") or "")
    except metadata.PackageNotFoundError:
        pass
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", name]
        if lock:
            machine = lock.platform.split("-")[0]
            command += ["--python-version", lock.python]
            command += [word for minor in (39, 36, 28, 17) for word in ("--platform", f"manylinux_2_{minor}_{machine}")]
            command += ["--platform", f"manylinux2014_{machine}"]
        subprocess.run([*command, f"{package}=={version}"], check=True)
        with zipfile.ZipFile(next(Path(name).glob("*.whl"))) as wheel:
            inner = next(each for each in wheel.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
            return email.message_from_bytes(wheel.read(inner))


def licence_of(package: str, about: Message) -> str:
    """An SPDX expression. Raises `ValueError` where the metadata say nothing that is understood."""
    expression = about.get("License-Expression")
    if expression:
        return str(expression)
    if package in SAID:
        return SAID[package]
    words = (str(about.get("License") or "").strip().splitlines() or [""])[0].strip()
    classes = [each.rsplit(" :: ", 1)[-1] for each in about.get_all("Classifier", []) if each.startswith("License ::")]
    for said in (words, *classes):
        known = SPDX.get(said.lower(), said)
        if said and not unknown(known):
            return known
    raise ValueError(f"{package}: its metadata say {words!r} and {classes}; name the licence in scripts/licences.py")


def unknown(expression: str) -> list[str]:
    """The licences of an expression that are not taken, of which none is named with a reason."""
    names = re.findall(r"[A-Za-z0-9.+-]+", expression)
    listed = [name for name in names if name not in ("AND", "OR", "WITH")]
    if not listed:
        return [expression]
    bad = [name for name in listed if name not in TAKEN and name not in NAMED]
    choices = [part.strip(" ()") for part in expression.split(" OR ")] if " AND " not in expression else []
    return [] if any(not unknown(choice) for choice in choices if len(choices) > 1) else bad


def row(package: str, version: str, licence: str, images: Sequence[str]) -> str:
    """A line of the table."""
    return f"| {package} | {version} | {licence} | {', '.join(images)} | {INSIDE.get(package, '')} |"


def main() -> int:
    """Write the table; 1 where a licence is not taken."""
    places = {lock.name: (lock.path, lock) for lock in LOCKS.values()} | {"build": (BUILD, None)}
    where: dict[tuple[str, str], list[str]] = {}
    for name, (path, _) in places.items():
        for each in pins(path).items():
            where.setdefault(each, []).append(name)
    rows: list[str] = []
    refused: list[str] = []
    for (package, version), images in sorted(where.items()):
        try:
            licence = licence_of(package, described(package, version, places[images[0]][1]))
        except ValueError as error:
            refused.append(str(error))
            continue
        refused += [f"{package}: {bad} is not taken" for bad in unknown(licence)]
        rows.append(row(package, version, licence, images))
    if refused:
        sys.stderr.write("\n".join(refused) + "\n")
        return 1
    named = "\n".join(f"- `{licence}`: {reason}." for licence, reason in NAMED.items())
    table = "| package | version | licence | locks | inside the wheel, under other terms |\n|---|---|---|---|---|\n"
    TARGET.write_text(f"{HEAD}\nTaken with a reason:\n{named}\n\n{table}" + "\n".join(rows) + "\n", "utf-8")
    sys.stdout.write(f"{TARGET.relative_to(ROOT)}: {len(rows)} packages\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
