"""Rules and runbooks: each alert fires when it should, says what to do, and nothing in it is left to be guessed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "ops/prometheus"
RUNBOOKS = ROOT / "ops/runbooks"
RULES = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
CODE = "".join(
    path.read_text(encoding="utf-8") for folder in ("webapp", "tenants") for path in (ROOT / folder).rglob("*.py")
)
TOLD = {
    name + ending
    for kind, name in re.findall(r'(Counter|Gauge|Histogram)\w*\(\s*"(comptoir_\w+)"', CODE)
    for ending in {"Counter": ("_total",), "Gauge": ("",), "Histogram": ("_bucket", "_count", "_sum")}[kind]
}
TOLD_BY_BACKUPS = {
    "comptoir_backup_last_success_timestamp_seconds",
    "comptoir_backup_success",
    "comptoir_drill_last_success_timestamp_seconds",
    "comptoir_drill_success",
    "comptoir_wal_archive_lag_seconds",
}
"""Written by the services of backups, read by node-exporter."""
PARTS = ("What it means", "How to look", "What to do", "It is over when")


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for name, rule in RULES.items():
        assert rule["labels"]["severity"] in {"critical", "warning"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}, name
        assert rule["annotations"]["runbook"] == f"ops/runbooks/{name}.md"


def test_every_alert_has_its_runbook_and_every_runbook_its_alert():
    assert {path.stem for path in RUNBOOKS.iterdir()} == set(RULES)
    for path in sorted(RUNBOOKS.iterdir()):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"^# (.+)$", text.partition("## ")[0], re.MULTILINE) == [path.stem]
        assert tuple(re.findall(r"^## (.+)$", text, re.MULTILINE)) == PARTS, path.name
        assert len(re.findall(r"^```sh run$", text, re.MULTILINE)) == 2, path.name


def test_every_alert_is_tested_beyond_its_limit_and_on_this_side_of_it():
    tests = yaml.safe_load((PROMETHEUS / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    said = {(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test["alert_rule_test"]}
    assert said == {(name, fires) for name in RULES for fires in (True, False)}


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is tried here only where Prometheus is installed"
)
def test_the_rules_fire_when_they_should():
    done = subprocess.run(
        ["promtool", "test", "rules", "rules.test.yml"], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_rules_ask_for_is_what_the_product_tells():
    asked = {name for rule in RULES.values() for name in re.findall(r"comptoir_\w+", rule["expr"])}
    assert asked <= TOLD | TOLD_BY_BACKUPS


# Dashboards

DASHBOARDS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "ops/grafana/dashboards").iterdir())
}
UNITS = {"bytes", "cpm", "d", "h", "ops", "percentunit", "reqps", "s", "short"}


def test_there_are_four_dashboards_that_grafana_takes_as_they_are():
    assert set(DASHBOARDS) == {"http", "jobs", "postgres", "business"}
    provider = yaml.safe_load((ROOT / "ops/grafana/provisioning/dashboards/comptoir.yml").read_text(encoding="utf-8"))
    assert [one["options"]["path"] for one in provider["providers"]] == ["/etc/comptoir/dashboards"]
    for name, board in DASHBOARDS.items():
        assert board["uid"] == f"comptoir-{name}"
        assert board["schemaVersion"] >= 39
        assert board["title"].startswith("Comptoir: ")
        assert "id" not in board, "Grafana gives its own"
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids) >= 8, name


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_every_panel_has_a_place_a_source_and_a_unit(name: str):
    sources = yaml.safe_load((ROOT / "ops/grafana/provisioning/datasources/comptoir.yml").read_text(encoding="utf-8"))
    known = {(one["type"], one["uid"]) for one in sources["datasources"]}
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        for target in (panel, *panel["targets"]):
            assert (target["datasource"]["type"], target["datasource"]["uid"]) in known
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_what_the_dashboards_ask_of_the_product_is_what_it_tells():
    asked = {
        name
        for board in DASHBOARDS.values()
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"comptoir_\w+", target["expr"])
    }
    assert asked <= TOLD | TOLD_BY_BACKUPS
