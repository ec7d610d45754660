"""The expressions of the dashboard and of the alerts, and what they name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.program import DEPLOY

ALERTS, DASHBOARD = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "grafana" / "dashboards" / "ebmc.json"
TEXT = re.compile(r'"[^"]*"')
SERIES = re.compile(r"\b((?:ebmc|process|DCGM)_\w+|up|ALERTS)\b(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
BY = re.compile(r"\bby\s*\(([^)]*)\)")
VARIABLES = {"$__rate_interval": "5m", "$instance": ".*", "$stream": ".*"}


@dataclass(frozen=True)
class Expression:
    """where: the alert or panel. shown: labels that its legend or its words name."""

    where: str
    text: str
    shown: frozenset[str] = frozenset()

    @property
    def series(self) -> list[tuple[str, set[str]]]:
        """The names in it, each with the labels that it is asked by."""
        found = SERIES.finditer(re.sub(BY, "", self.text))
        return [(match[1], set(LABEL.findall(TEXT.sub('""', match[2] or "")))) for match in found]

    @property
    def grouped(self) -> list[set[str]]:
        """The labels of each `by`."""
        return [{label.strip() for label in inner.split(",") if label.strip()} for inner in BY.findall(self.text)]


def expressions() -> list[Expression]:
    """All of them."""
    return [*_of_alerts(), *_of_dashboard()]


def alerts() -> list[dict[str, Any]]:
    """The rules of alerts.yml."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    return json.loads(DASHBOARD.read_text())


def _of_alerts() -> Iterator[Expression]:
    for rule in alerts():
        words = " ".join(rule["annotations"].values())
        shown = frozenset(re.findall(r"\$labels\.(\w+)", words))
        yield Expression(rule["alert"], rule["expr"].split(" # ")[0], shown)


def _of_dashboard() -> Iterator[Expression]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            text = target["expr"]
            for name, value in VARIABLES.items():
                text = text.replace(name, value)
            yield Expression(panel["title"], text, frozenset(re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))))
    for variable in dashboard()["templating"]["list"]:
        inside = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
        assert inside, variable["definition"]
        yield Expression(f"variable {variable['name']}", inside[1], frozenset({inside[2]}))
    for note in dashboard()["annotations"]["list"]:
        shown = re.findall(r"{{(\w+)}}", note["titleFormat"] + note["textFormat"])
        yield Expression(f"annotation {note['name']}", note["expr"], frozenset(shown))
