"""Fetch the one library that the demo's page uses, uPlot, into `stream/server/page/vendor/uplot/`.

    python scripts/vendor_page.py

The npm client fetches the package; what it fetched must be byte for byte the release that was read and tried.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "uplot@1.6.32"
INTEGRITY = "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
FILES = {
    "package/dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "package/dist/uPlot.min.css": "uPlot.min.css",
    "package/LICENSE": "LICENSE",
}
TARGET = Path(__file__).resolve().parents[1] / "stream" / "server" / "page" / "vendor" / "uplot"


def fetch(folder: Path) -> Path:
    """The checked package in a folder. Raises `CalledProcessError` where npm fails, `ValueError` for other bytes."""
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", str(folder), PACKAGE], check=True)
    package = next(folder.glob("*.tgz"))
    seen = "sha512-" + base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if seen != INTEGRITY:
        raise ValueError(f"{PACKAGE} has integrity {seen}, expected {INTEGRITY}")
    return package


def main() -> None:
    """Write the library, its style and its licence."""
    with tempfile.TemporaryDirectory() as name:
        package = fetch(Path(name))
        TARGET.mkdir(parents=True, exist_ok=True)
        with tarfile.open(package) as archive:
            for member, file in FILES.items():
                stored = archive.extractfile(member)
                if stored is None:
                    raise ValueError(f"{PACKAGE} holds no {member}")
                (TARGET / file).write_bytes(stored.read())
                sys.stdout.write(f"wrote {TARGET / file}\n")


if __name__ == "__main__":
    main()
