"""Prometheus' settings, alerts and the dashboard: they parse, and speak of what the program really tells."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stream.health import PORT
from tests.deploy.exposition import metrics
from tests.deploy.program import DEPLOY, names_of_settings
from tests.deploy.promql import Expression, alerts, dashboard, expressions

FOLDER, DOCS = DEPLOY / "prometheus", DEPLOY.parent / "docs"
TOLD = metrics()


def promtool(*arguments: str, cwd: Path = FOLDER) -> str:
    """What it says; fails when it does."""
    beside = Path(sys.executable).with_name("promtool")
    program = str(beside) if beside.is_file() else shutil.which("promtool")
    if not program:
        pytest.skip("promtool is not here; make tools unpacks it, or: sudo apt-get install prometheus")
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_its_settings() -> None:
    assert "alerts.yml" in promtool("check", "config", "prometheus.yml")


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", "alerts_test.yml")


def test_no_alert_is_without_a_test() -> None:
    tested = {test["name"] for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]}
    assert tested >= {rule["alert"] for rule in alerts()}


def test_every_expression_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"e{n}", "expr": each.text} for n, each in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", "rules.yml", cwd=tmp_path)


@pytest.mark.parametrize("expression", expressions(), ids=lambda each: f"{each.where}: {each.text[:40]}")
def test_what_an_expression_names_is_there(expression: Expression) -> None:
    assert expression.series
    missing = [name for name, _ in expression.series if name not in TOLD]
    assert not missing, f"the program has no metric {missing}"
    for name, labels in expression.series:
        assert labels <= TOLD[name], f"{name} has no label {labels - TOLD[name]}"
    every = set[str]().union(*(TOLD[name] for name, _ in expression.series))
    for labels in expression.grouped:
        assert labels <= every, f"no metric here has {labels - every}"
    left = set[str]().union(*expression.grouped) if expression.grouped else every
    assert expression.shown <= left, f"{expression.shown - left} is not there to be shown"


def test_a_metric_that_does_not_exist_is_found() -> None:
    wrong = Expression("test", 'sum by (strem) (rate(ebmc_event_total{stage="x"}[5m]))')
    assert wrong.series == [("ebmc_event_total", {"stage"})]
    assert wrong.grouped == [{"strem"}]
    assert "ebmc_event_total" not in TOLD


def test_alerts_say_what_to_do() -> None:
    headings = re.findall(r"^#+ (.+)$", (DOCS / "runbook.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in alerts():
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert {"summary", "description", "runbook_url"} == rule["annotations"].keys(), rule["alert"]
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "docs/runbook.md"
        assert anchor in anchors, f"{rule['alert']}: docs/runbook.md has no heading for #{anchor}"


@pytest.mark.parametrize("page", ["runbook.md", "compose.md", "operations.md"])
def test_settings_that_a_page_names_exist(page: str) -> None:
    found = set(re.findall(r"\bEBMC_[A-Z_]*[A-Z]\b", (DOCS / page).read_text()))
    assert found <= names_of_settings()


@pytest.mark.parametrize("page", ["runbook.md", "compose.md", "operations.md"])
def test_metrics_and_alerts_that_a_page_names_exist(page: str) -> None:
    text = (DOCS / page).read_text()
    histograms = {name.removesuffix("_bucket") for name in TOLD}
    volumes = {"ebmc_kafka", "ebmc_spill", "ebmc_prometheus", "ebmc_grafana"}
    assert set(re.findall(r"\bebmc_[a-z_]+[a-z]\b", text)) - volumes <= TOLD.keys() | histograms
    assert set(re.findall(r"\bEbmc[A-Z]\w+", text)) <= {rule["alert"] for rule in alerts()}


def test_every_metric_is_in_the_table() -> None:
    table = set(re.findall(r"`(ebmc_[a-z_]+)`", (DOCS / "operations.md").read_text()))
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in TOLD if name.startswith("ebmc_")}
    assert ours <= table, f"docs/operations.md lacks {sorted(ours - table)}"


def test_the_dashboard_is_one_that_grafana_documents() -> None:
    board = dashboard()
    assert board["schemaVersion"] == 41
    assert board["uid"]
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in panels]
    for n, (x, y, w, h) in enumerate(places):
        assert x + w <= 24
        for left, top, width, height in places[n + 1 :]:
            assert x + w <= left or left + width <= x or y + h <= top or top + height <= y, panels[n]["title"]
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    uids = {each["uid"] for each in source["datasources"]}
    used = {target["datasource"]["uid"] for panel in panels for target in panel.get("targets", ())}
    assert used == uids


def test_grafana_finds_the_dashboard_where_compose_puts_it() -> None:
    (provider,) = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/ebmc.yaml").read_text())["providers"]
    grafana = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["grafana"]
    mounts = dict(volume.split(":")[1::-1] for volume in grafana["volumes"])
    assert (DEPLOY / mounts[provider["options"]["path"]] / "ebmc.json").is_file()
    assert (DEPLOY / mounts["/etc/grafana/provisioning"] / "dashboards/ebmc.yaml").is_file()
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].startswith(provider["options"]["path"])


def test_prometheus_asks_at_the_port_of_the_metrics() -> None:
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    ports = {job["dns_sd_configs"][0]["port"] for job in jobs if job["job_name"].startswith("ebmc-")}
    assert ports == {PORT}
