"""Licences and known vulnerabilities of what the images install."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scripts.audit import AdvisoriesUnread, Exempt, audited, batches, exemptions, findings_from, standing
from scripts.licences import INSIDE, NAMED, TARGET, unknown
from scripts.lock import BUILD, LOCKS, pins

REPORT: dict[str, Any] = {
    "dependencies": [
        {
            "name": "jinja2",
            "version": "2.10",
            "vulns": [
                {"id": "PYSEC-2019-217", "aliases": ["CVE-2019-10906"], "fix_versions": ["2.10.1"], "description": ""},
                {"id": "PYSEC-2099-1", "aliases": [], "fix_versions": [], "description": "nobody mended it yet"},
            ],
        },
        {"name": "idna", "version": "3.20", "vulns": []},
    ]
}
TODAY = date(2026, 12, 1)


def test_a_vulnerability_with_a_mend_stands_and_one_without_is_only_told() -> None:
    found = findings_from(REPORT)
    assert len(found) == 2
    assert [str(each) for each in standing(found, [], TODAY)] == [
        "jinja2 2.10: CVE-2019-10906, PYSEC-2019-217, mended in 2.10.1"
    ]


@pytest.mark.parametrize(
    ("exempt", "stands"),
    [
        (Exempt("jinja2", "CVE-2019-10906", date(2026, 12, 1), "no template comes from outside"), 0),
        (Exempt("jinja2", "CVE-2019-10906", date(2026, 11, 30), "its day is over"), 1),
        (Exempt("idna", "CVE-2019-10906", date(2027, 1, 1), "it is about another package"), 1),
    ],
)
def test_an_exception_is_for_one_package_and_ends(exempt: Exempt, stands: int) -> None:
    assert len(standing(findings_from(REPORT), [exempt], TODAY)) == stands


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ('[[exception]]\npackage = "a"\nid = "CVE-1"\nuntil = 2027-01-01\n', "reason"),
        ('[[exception]]\npackage = "a"\nid = "CVE-1"\nuntil = 2027-01-01\nreason = "because"\n', "a reason in words"),
        ('[[exception]]\npackage = "a"\nid = "CVE-1"\nuntil = "soon"\nreason = "' + "because " * 9 + '"\n', "a day"),
    ],
)
def test_an_exception_without_a_reason_or_a_day_is_refused(tmp_path: Path, text: str, lacks: str) -> None:
    (path := tmp_path / "exceptions.toml").write_text(text)
    with pytest.raises(ValueError, match=lacks):
        exemptions(path)


def test_our_own_exceptions_are_about_what_is_locked() -> None:
    locked = {package for lock in LOCKS.values() for package in pins(lock.path)}
    assert {each.package for each in exemptions()} <= locked


def test_every_locked_version_is_asked_about() -> None:
    asked = {each for batch in batches() for each in batch}
    assert asked == {each for lock in LOCKS.values() for each in pins(lock.path).items()} | set(pins(BUILD).items())
    assert all(len(dict(batch)) == len(batch) for batch in batches())


def test_nothing_that_the_images_install_is_known_to_be_vulnerable() -> None:
    try:
        found = audited()
    except AdvisoriesUnread as error:
        pytest.skip(f"no advisories could be read: {error}")
    stands = standing(found, exemptions(), date.today())
    assert not stands, "\n".join(map(str, stands))


def test_every_locked_package_is_in_the_table_of_licences() -> None:
    rows = _rows()
    for lock in LOCKS.values():
        for package, version in pins(lock.path).items():
            assert (package, version) in rows, f"{package} {version} is missing: python -m scripts.licences"
    asked = {each for lock in LOCKS.values() for each in pins(lock.path).items()} | set(pins(BUILD).items())
    assert set(rows) == asked
    assert set(INSIDE) <= {package for package, _ in rows}


def test_every_licence_is_one_that_is_taken() -> None:
    assert {licence: unknown(licence) for licence in _rows().values() if unknown(licence)} == {}
    assert all(len(reason) > 20 for reason in NAMED.values())


@pytest.mark.parametrize("licence", ["AGPL-3.0-only", "GPL-2.0-or-later", "MIT AND SSPL-1.0", "", "Commercial"])
def test_a_licence_that_is_not_taken_is_seen(licence: str) -> None:
    assert unknown(licence)


@pytest.mark.parametrize("licence", ["MIT", "MPL-2.0 AND (Apache-2.0 OR MIT)", "GPL-2.0-only OR BSD-3-Clause"])
def test_a_licence_that_is_taken_is_taken(licence: str) -> None:
    assert unknown(licence) == []


def test_what_is_gpl_inside_a_wheel_is_said() -> None:
    assert "libx264" in INSIDE["av"] and "**GPL inside PyAV.**" in TARGET.read_text("utf-8")


def _rows() -> dict[tuple[str, str], str]:
    """Package and version to licence, as the table has them."""
    found = re.findall(r"(?m)^\| ([a-z0-9.-]+) \| (\d\S*) \| ([^|]+) \|", TARGET.read_text("utf-8"))
    return {(package, version): licence for package, version, licence in found}
