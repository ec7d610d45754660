"""Hold what the images install against the known vulnerabilities.

    python -m scripts.audit

Every version in the locks is asked about with pip-audit. Exit codes: 0 nothing stands against them; 1 a version is
vulnerable and a fixed one exists; 2 an exception is badly written; 3 no advisories could be read. For that a version
which is known to be vulnerable is asked about first: where nothing is known of it, an index answers that has no
advisories, and silence means nothing.

Exceptions stand in `deploy/docker/audit-exceptions.toml`, each with a reason and a day on which it ends.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from scripts.lock import BUILD, LOCKS, ROOT, pins

EXCEPTIONS = ROOT / "deploy" / "docker" / "audit-exceptions.toml"
CONTROL = ("jinja2", "2.10")  # CVE-2019-10906, mended in 2.10.1
PATIENCE = 600.0  # seconds for all of pip-audit


class AdvisoriesUnread(Exception):
    """No advisories could be read, so nothing was found out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A known vulnerability of a locked version. names: its identifiers. mended: versions without it, if any."""

    package: str
    version: str
    names: frozenset[str]
    mended: tuple[str, ...]

    def __str__(self) -> str:
        mend = f"mended in {', '.join(self.mended)}" if self.mended else "not mended yet"
        return f"{self.package} {self.version}: {', '.join(sorted(self.names))}, {mend}"


@dataclass(frozen=True, slots=True)
class Exempt:
    """A finding that is lived with. id: one of its identifiers. until: the last day. reason: why that is no danger."""

    package: str
    id: str
    until: date
    reason: str


def exemptions(path: Path = EXCEPTIONS) -> list[Exempt]:
    """The exceptions. Raises `ValueError` for one that has no reason, or lacks a field."""
    found: list[Exempt] = []
    for entry in tomllib.loads(path.read_text("utf-8")).get("exception", []):
        try:
            found.append(Exempt(entry["package"], entry["id"], entry["until"], entry["reason"].strip()))
        except KeyError as missing:
            raise ValueError(f"{path.name}: an exception lacks {missing}") from None
        if len(found[-1].reason) < 20 or not isinstance(found[-1].until, date):
            raise ValueError(f"{path.name}: {found[-1].id} needs a reason in words, and a day as until = 2027-01-31")
    return found


def findings_from(report: dict[str, Any]) -> list[Finding]:
    """What a report of pip-audit says."""
    return [
        Finding(each["name"], each["version"], frozenset({bad["id"], *bad["aliases"]}), tuple(bad["fix_versions"]))
        for each in report["dependencies"]
        for bad in each.get("vulns", ())
    ]


def standing(found: Iterable[Finding], exempt: Sequence[Exempt], today: date) -> list[Finding]:
    """Those that can be mended and are not excepted on this day."""
    alive = [each for each in exempt if each.until >= today]
    return [
        one
        for one in found
        if one.mended and not any(each.package == one.package and each.id in one.names for each in alive)
    ]


def reported(versions: Iterable[tuple[str, str]], patience: float = PATIENCE) -> dict[str, Any]:
    """What pip-audit says of these. Raises `AdvisoriesUnread` when it cannot ask, or passed a version over."""
    with tempfile.TemporaryDirectory() as name:
        listed = Path(name) / "listed.txt"
        listed.write_text("".join(f"{package}=={version}\n" for package, version in versions))
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off", "--timeout", "5"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=patience, check=False)
            report: dict[str, Any] = json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            raise AdvisoriesUnread(f"pip-audit did not end in {patience:.0f} s") from None
        except ValueError:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise AdvisoriesUnread(f"pip-audit failed: {last}") from None
    passed_over = [each["skip_reason"] for each in report["dependencies"] if "skip_reason" in each]
    if passed_over:
        raise AdvisoriesUnread(f"{len(passed_over)} versions were passed over, the first: {passed_over[0]}")
    return report


def audited() -> list[Finding]:
    """What is known of every version in the locks. Raises `AdvisoriesUnread`."""
    if not findings_from(reported([CONTROL], patience=60.0)):
        raise AdvisoriesUnread(f"{' '.join(CONTROL)} is vulnerable, and nothing is known of it where was asked")
    return [finding for batch in batches() for finding in findings_from(reported(batch))]


def batches() -> list[list[tuple[str, str]]]:
    """Every locked version once, no package twice in a batch."""
    locked = [pins(path) for path in (*(lock.path for lock in LOCKS.values()), BUILD)]
    left = sorted({each for lock in locked for each in lock.items()})
    found: list[list[tuple[str, str]]] = []
    while left:
        batch = dict(reversed(left))
        found.append(sorted(batch.items()))
        left = [each for each in left if batch[each[0]] != each[1]]
    return found


def main() -> int:
    """Say what stands against the locks."""
    try:
        exempt = exemptions()
        found = audited()
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except AdvisoriesUnread as error:
        sys.stderr.write(f"no advisories could be read: {error}\n")
        return 3
    bad = standing(found, exempt, date.today())
    for each in found:
        sys.stdout.write(f"{'MEND ' if each in bad else 'known'} {each}\n")
    for each in exempt:
        if not any(each.package == one.package and each.id in one.names for one in found):
            sys.stdout.write(f"the exception for {each.id} of {each.package} is not needed any more\n")
    sys.stdout.write(f"{len(bad)} to mend, {len(found)} known, in {sum(map(len, batches()))} versions\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
