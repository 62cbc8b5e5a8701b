"""Rules and runbooks: each alert fires when it should, says what to do, and nothing in it is left to be guessed."""

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
    told = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("webapp", "tenants", "ops/postgres")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sh"}
    )
    asked = {name for rule in RULES.values() for name in re.findall(r"comptoir_\w+", rule["expr"])}
    # The backups' own part tells these two families by a textfile.
    asked = {name for name in asked if not re.match(r"comptoir_(drill|wal|backup_last)_", name)}
    for name in asked:
        assert re.sub(r"_(total|bucket)$", "", name) in told, name
