"""Plans on disk: each beside a JSON that says exactly what it was built from and for.

A plan is used only if all of that still holds and its bytes are those that were written. Anything else is rebuilt.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORMAT = "ebmc-plan/1"


@dataclass(frozen=True, slots=True)
class PlanKey:
    """Everything that makes a plan another one.

    graph: sha256 of the ONNX file. flavour, version: the compiler. gpu, driver, cuda: where it was built, empty for a
    plan built ahead of time, whose `targets` say where it runs. precision, profiles, flags: how it was built.
    """

    graph: str
    flavour: str
    version: str
    gpu: str
    capability: str
    driver: str
    cuda: str
    precision: str
    profiles: tuple[tuple[int, int, int], ...]
    flags: Mapping[str, Any]
    targets: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return json.loads(json.dumps(asdict(self)))

    @property
    def name(self) -> str:
        """The file name of the plan, without suffix: readable first, unique at the end."""
        where = "-".join(self.targets) or self.capability
        text = json.dumps(self.as_dict(), sort_keys=True)
        unique = hashlib.sha256(text.encode()).hexdigest()[:16]
        return f"{self.flavour}-{self.version}-{where}-{self.precision}-{unique}"


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A plan that may be used, or the reasons why none may. plan is None then."""

    plan: bytes | None
    path: Path
    reason: str


class PlanCache:
    """A folder of plans."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, key: PlanKey, plan: bytes) -> Path:
        """Store a plan; it is there whole or not at all, the JSON last."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{key.name}.plan"
        sidecar = {"format": FORMAT, "sha256": hashlib.sha256(plan).hexdigest(), "bytes": len(plan), **key.as_dict()}
        replace_file(path, plan)
        replace_file(path.with_suffix(".json"), (json.dumps(sidecar, indent=2) + "\n").encode())
        return path

    def find(self, key: PlanKey) -> Found:
        """The plan of this key, or one built ahead of time that runs on this GPU."""
        exact = self.read(self.folder / f"{key.name}.plan", key)
        reasons = [exact.reason]
        for path in sorted(self.folder.glob(f"{key.flavour}-*.plan")) if exact.plan is None else ():
            other = self.read(path, key)
            if other.plan is not None:
                return other
            reasons.append(f"{path.name}: {other.reason}" if path != exact.path else "")
        return Found(exact.plan, exact.path, "; ".join(filter(None, reasons)))

    def read(self, path: Path, key: PlanKey) -> Found:
        """A plan file, checked against its JSON and against what is asked for."""
        sidecar = path.with_suffix(".json")
        try:
            plan, said = path.read_bytes(), json.loads(sidecar.read_text("utf-8"))
        except FileNotFoundError:
            return Found(None, path, "there is no plan for this graph and this GPU yet")
        except (OSError, ValueError, RecursionError) as error:
            return Found(None, path, f"{sidecar.name} cannot be read: {error}")
        reason = mismatch(said, key) or damage(said, plan)
        return Found(None if reason else plan, path, reason)

    def timing(self, key: PlanKey) -> Path:
        """Where a compiler keeps what it measured on this GPU."""
        return self.folder / f"{key.flavour}-{key.version}-{key.capability}.timing"


def mismatch(said: object, key: PlanKey) -> str:
    """What a plan's JSON says otherwise than the key asks; empty if it may run here."""
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        return "its JSON is not that of a plan"
    asked, targets = key.as_dict(), said.get("targets") or []
    if not isinstance(targets, list):
        return "its JSON is not that of a plan"
    if targets and not key.targets:  # built ahead of time, elsewhere
        if key.capability not in targets:
            return f"it was built for {_shown(targets)}, and this GPU is {key.capability}"
        for place in ("gpu", "capability", "driver", "cuda", "targets"):
            del asked[place]
    for name, value in asked.items():
        if said.get(name) != value:
            return f"it was built for {name} {_shown(said.get(name))}, and this is {value!r}"
    return ""


def _shown(value: object) -> str:
    """What a JSON says, short and in one line."""
    if isinstance(value, list) and all(isinstance(part, str) and part.isalnum() for part in value):
        return ", ".join(value)[:200]
    return repr(value)[:200]


def damage(said: Mapping[str, Any], plan: bytes) -> str:
    """What is wrong with the bytes of a plan; empty if they are those that were written."""
    if said.get("bytes") != len(plan):
        return f"it has {len(plan)} bytes and was written with {_shown(said.get('bytes'))}"
    return "" if said.get("sha256") == hashlib.sha256(plan).hexdigest() else "its bytes do not match their sha256"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a reader sees the old one until the new one is complete."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        os.fchmod(handle, 0o644)  # a plan is no secret, and the service may run as another user
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
