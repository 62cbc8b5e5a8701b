"""The profile `observability` on the running stack: everything is read; an alert fires, is told of and ends."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.production.lines import Measured
from tests.production.stack import ROOT, Stack, until

STANDIN = "comptoir-standin/observability:13"
WATCHERS = {
    "prometheus": "PROMETHEUS_IMAGE",
    "alertmanager": "ALERTMANAGER_IMAGE",
    "postgres-exporter": "POSTGRES_EXPORTER_IMAGE",
    "valkey-exporter": "VALKEY_EXPORTER_IMAGE",
    "nginx-exporter": "NGINX_EXPORTER_IMAGE",
    "node-exporter": "NODE_EXPORTER_IMAGE",
    "blackbox-exporter": "BLACKBOX_EXPORTER_IMAGE",
}
"""Those of the profile that Debian has; Grafana, the collector and Tempo are tried nowhere here."""

NOT_YET = r"sign_in|imports|entries|decisions|backup|wal_archive|5m"
RUNBOOKS = sorted((ROOT / "ops/runbooks").glob("*.md"))


@pytest.fixture(scope="module")
def watched(stack: Stack) -> Iterator[Stack]:
    """Start what watches, beside the stack of all tests."""
    with (stack.folder / ".env").open("a") as settings:
        settings.writelines(f"{image}={STANDIN}\n" for image in WATCHERS.values())
    profile = ("--profile", "observability")
    try:
        stack.compose(*profile, "up", "-d", "--no-deps", "--wait", "--wait-timeout", "120", *WATCHERS)
        yield stack
    finally:
        stack.compose(*profile, "rm", "-sf", *WATCHERS, check=False)


def ask(stack: Stack, service: str, address: str) -> Any:
    """Ask Prometheus or Alertmanager from inside, where alone they are reached."""
    return json.loads(stack.compose("exec", "-T", service, "wget", "-q", "-O", "-", f"http://127.0.0.1:{address}"))


def targets(stack: Stack) -> dict[str, str]:
    """Return the health of what Prometheus reads, by job."""
    found = ask(stack, "prometheus", "9090/api/v1/targets?state=active")["data"]["activeTargets"]
    return {one["labels"]["job"]: one["health"] for one in found}


def query(stack: Stack, expression: str) -> list[Any]:
    """Ask Prometheus now."""
    answer = ask(stack, "prometheus", f"9090/api/v1/query?query={quote(expression, safe='')}")
    assert answer["status"] == "success"
    result: list[Any] = answer["data"]["result"]
    return result


def firing(stack: Stack) -> set[str]:
    """Return the alerts that Alertmanager would tell of."""
    return {one["labels"]["alertname"] for one in ask(stack, "alertmanager", "9093/api/v2/alerts?active=true")}


@pytest.mark.line("watching.read")
def test_everything_is_read(watched: Stack, measured: Measured):
    jobs = {"alertmanager", "certificate", "nginx", "node", "postgres", "prometheus", "valkey", "web"}
    until(lambda: targets(watched) == dict.fromkeys(jobs, "up"), seconds=90, what="every target up")
    measured(f"{len(jobs)} sources")
    for name in ("pg_up", "redis_up", "nginx_up", "probe_success"):
        assert [one["value"][1] for one in query(watched, name)] == ["1"], name
    days = float(query(watched, "(probe_ssl_earliest_cert_expiry - time()) / 86400")[0]["value"][1])
    assert days > 14


@pytest.mark.line("watching.read")
def test_who_watches_may_do_as_little_as_can_be(watched: Stack):
    for name in WATCHERS:
        (container,) = watched.compose("ps", "-q", name).split()
        seen = json.loads(watched.run("docker", "inspect", container).stdout)[0]
        host = seen["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and host["Memory"] and host["PidsLimit"], name
        assert not host["PortBindings"], name
        assert seen["Config"]["User"] == "65534:65534", name


@pytest.mark.line("watching.rules")
def test_the_rules_are_those_that_were_tested_and_fire_in_this_version_too(watched: Stack, measured: Measured):
    folder = str(watched.folder / "ops/prometheus")
    words = ("docker", "run", "--rm", "-v", f"{folder}:/rules:ro", "-w", "/rules", STANDIN)
    watched.run(*words, "promtool", "test", "rules", "rules.test.yml")
    words = ("docker", "run", "--rm", "-v", f"{watched.folder / 'ops/alertmanager'}:/a:ro", STANDIN)
    watched.run(*words, "amtool", "check-config", "/a/alertmanager.yml")
    loaded = ask(watched, "prometheus", "9090/api/v1/rules")["data"]["groups"]
    names = {rule["name"] for group in loaded for rule in group["rules"]}
    assert names == {path.stem for path in RUNBOOKS}
    measured(f"{len(names)} alerts, each with its runbook")
    assert {rule["health"] for group in loaded for rule in group["rules"]} <= {"ok", "unknown"}


@pytest.mark.line("watching.dashboards")
def test_every_query_of_every_dashboard_is_answered(watched: Stack, measured: Measured):
    with watched.pool() as site:
        assert site.request("GET", "/sign-in").status == 200
    until(lambda: query(watched, "comptoir_http_requests_total"), seconds=60, what="a request that was counted")
    boards = [
        json.loads(one.read_text(encoding="utf-8")) for one in sorted((ROOT / "ops/grafana/dashboards").iterdir())
    ]
    asked = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    assert len(asked) > 40
    measured(f"{len(asked)} queries of {len(boards)} dashboards")
    empty = [one for one in asked if not query(watched, one)]
    # What has not happened yet on a new installation has no figures: sign-ins, imports, entries, nights.
    unexpected = [one for one in empty if not re.search(NOT_YET, one)]
    assert not unexpected


@pytest.mark.parametrize("path", RUNBOOKS, ids=[path.stem for path in RUNBOOKS])
@pytest.mark.line("watching.runbooks")
def test_the_commands_of_a_runbook_work(watched: Stack, path: Any):
    for block in re.findall(r"^```sh run\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            done = watched.run("bash", "-c", line, check=False)
            assert done.returncode == 0, (line, done.stderr)


@pytest.mark.line("watching.fires")
def test_an_alert_fires_and_is_over_when_what_it_was_about_is(watched: Stack, measured: Measured):
    began = time.monotonic()
    until(lambda: "ValkeyDown" not in firing(watched), seconds=30, what="a calm beginning")
    watched.compose("stop", "valkey")
    try:
        until(lambda: "ValkeyDown" in firing(watched), seconds=180, what="ValkeyDown in Alertmanager")
        measured(f"told {time.monotonic() - began:.0f} s after Valkey stopped")
    finally:
        watched.compose("start", "valkey")
    until(lambda: not query(watched, 'ALERTS{alertname="ValkeyDown"}'), seconds=120, what="its end in Prometheus")
    until(lambda: "ValkeyDown" not in firing(watched), seconds=400, what="its end in Alertmanager")
