"""Containers die, PostgreSQL stops, networks are cut, Valkey loses everything, all of it under load.

Each time nothing is lost and nothing done twice, people and programs are told calmly, it is over without a hand, and
the right alert fires. Rules wait for a minute so that nobody is woken for nothing; here they wait for two seconds.
"""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.production.load import ROWS, Answer, Load
from tests.production.stack import Stack, until
from tests.production.test_watching import STANDIN, WATCHERS, query

READERS = [name for name in WATCHERS if name not in {"alertmanager", "blackbox-exporter"}]
ANSWER_SECONDS_MAX = 20
"""So long a request takes at most, whatever is away: nginx would give up after a minute."""
OUTAGE_SECONDS = 30
CUT_SECONDS = 15
KINDS = ("posting", "read", "page")


@dataclass(frozen=True)
class Told:
    """One request of the load: when it began, how long it took, what was answered."""

    at: float
    seconds: float
    what: str
    path: str
    answer: Answer


class Enduring(Load):
    """The load of a client that means it: a posting that was not answered 201 is sent again, under its key."""

    def __init__(self, *given: Any) -> None:
        self.told: list[Told] = []
        self.again = 0
        super().__init__(*given)
        self.began = self.stack.sql("SELECT now()")

    def ask(self, method: str, path: str, *, what: str, expected: int = 200, **given: Any) -> Answer:
        """Ask once, and keep the answer too."""
        began = time.monotonic()
        answer = super().ask(method, path, what=what, expected=expected, **given)
        self.told.append(Told(began, time.monotonic() - began, what, path, answer))
        return answer

    def _post(self) -> None:
        description = f"{self.mark} {uuid4().hex}"
        while not self._stop.is_set():
            answer = self.book(description)
            if answer is not None and answer.status == 201:
                self.posted.append(description)
                return
            self.again += 1
            self._stop.wait(0.5)


@pytest.fixture(scope="module")
def watched(stack: Stack) -> Iterator[Stack]:
    """Start Prometheus beside the stack, with its own rules, made impatient."""
    folder, kept = stack.folder / "ops/prometheus", stack.folder / "prometheus.kept"
    shutil.copytree(folder, kept)
    settings = (stack.folder / ".env").read_text()
    rules = (folder / "rules.yml").read_text()
    (folder / "rules.yml").write_text(re.sub(r"for: \w+", "for: 2s", rules))
    often = re.sub(r"(_interval): \w+", r"\1: 2s", (folder / "prometheus.yml").read_text())
    (folder / "prometheus.yml").write_text(often)
    (stack.folder / ".env").write_text(settings + "".join(f"{image}={STANDIN}\n" for image in WATCHERS.values()))
    profile = ("--profile", "observability")
    try:
        stack.compose(*profile, "up", "-d", "--no-deps", "--wait", "--wait-timeout", "120", *READERS)
        yield stack
    finally:
        stack.compose(*profile, "rm", "-sf", *READERS, check=False)
        shutil.rmtree(folder)
        kept.rename(folder)
        (stack.folder / ".env").write_text(settings)


@pytest.fixture(scope="module")
def load(watched: Stack) -> Iterator[Enduring]:
    """Return a load that lasts for all tests of this file."""
    with Enduring(watched, "acme", watched.token("acme", "owner@acme.example")) as made:
        until(lambda: made.imported, seconds=120, what="a first statement is imported")
        yield made


# What is done to an installation


def container(stack: Stack, service: str) -> str:
    """Return the id of a service's container, also of one that does not run."""
    found = stack.compose("--profile", "*", "ps", "-aq", service).split()
    assert len(found) == 1, (service, found)
    return found[0]


def inspect(stack: Stack, service: str) -> Any:
    """Return what docker knows of a service's container."""
    return json.loads(stack.run("docker", "inspect", container(stack, service)).stdout)[0]


def kill(stack: Stack, service: str) -> None:
    """Kill a container's first process, and all others with it, as a fault or the kernel would.

    `docker kill` would not do: docker takes it for an operator's wish, and does not start the container again.
    """
    if pid := inspect(stack, service)["State"]["Pid"]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def swallow(stack: Stack, service: str, port: int) -> Callable[[], object]:
    """Let all packets from and to a port vanish in a container's network; return what ends that."""
    words = ("nsenter", "-t", str(inspect(stack, service)["State"]["Pid"]), "-n", "iptables", "-w")
    rules = [("OUTPUT", "--dport"), ("OUTPUT", "--sport"), ("INPUT", "--dport"), ("INPUT", "--sport")]
    for chain, side in rules:
        stack.run(*words, "-A", chain, "-p", "tcp", side, str(port), "-j", "DROP")
    return lambda: [stack.run(*words, "-F", chain) for chain in ("OUTPUT", "INPUT")]


def unplug(stack: Stack, service: str) -> Callable[[], object]:
    """Take a container off the data network; return what puts it back."""
    network = f"{stack.project}_data"
    one = container(stack, service)
    stack.run("docker", "network", "disconnect", network, one)
    return lambda: stack.run("docker", "network", "connect", "--alias", service, network, one)


# What is seen of it


def readiness(stack: Stack) -> tuple[int, dict[str, str]]:
    """Ask /readyz."""
    with stack.pool() as site:
        answer = site.request("GET", "/readyz")
    return answer.status, answer.json().get("parts", {}) if answer.status in {200, 503} else {}


def is_well(stack: Stack, load: Enduring, since: float) -> bool:
    """Tell whether everything was answered well after a moment, and readiness is."""
    expected = {"posting": 201, "read": 200, "page": 303}
    seen = {
        one.what
        for one in load.told[-200:]
        if one.at > since and one.answer is not None and one.answer.status == expected.get(one.what)
    }
    return seen >= set(KINDS) and readiness(stack)[0] == 200


def recovery(stack: Stack, load: Enduring, since: float, *, seconds: float = 60) -> float:
    """Wait until all is well without a hand and another import is published; return the seconds until all was well."""
    until(lambda: is_well(stack, load, since), seconds=seconds, what="all is well again")
    taken = time.monotonic() - since
    count = len(load.imported)
    until(lambda: len(load.imported) > count, seconds=120, what="another import is published")
    return taken


def fired(stack: Stack, since: float) -> set[str]:
    """Return the alerts that fired after a moment."""
    past = int(time.monotonic() - since) + 1
    found = query(stack, f'max_over_time(ALERTS{{alertstate="firing"}}[{past}s])')
    return {one["metric"]["alertname"] for one in found}


def alerted(stack: Stack, since: float, alert: str) -> bool:
    """Tell whether an alert was seen after a moment."""
    return bool(query(stack, f'max_over_time(ALERTS{{alertname="{alert}"}}[{int(time.monotonic() - since) + 1}s])'))


def all_is_kept(stack: Stack, load: Enduring) -> None:
    """See that the books hold exactly what was answered, each import its rows and each job its end."""
    before = list(load.posted)
    books = load.in_the_books()
    assert set(before) <= books
    assert len(books - set(load.posted)) <= 1, "more is booked than was answered, and the posting that is on its way"
    schema = stack.sql("SELECT 't_' || replace(id::text, '-', '') FROM platform.tenant WHERE slug = 'acme'")
    wrong = stack.sql(
        f"SELECT i.id, i.state, count(e.id), count(DISTINCT e.import_position) FROM {schema}.import i "
        f"LEFT JOIN {schema}.entry e ON e.import_id = i.id "
        f"WHERE i.state = 'published' AND i.account_id = {load.bank} GROUP BY i.id "
        f"HAVING count(e.id) <> {ROWS} OR count(DISTINCT e.import_position) <> {ROWS}"
    )
    assert wrong == "", wrong
    given_up = f"SELECT id, error_code FROM {schema}.import WHERE error_code IS NOT NULL AND account_id = {load.bank}"
    assert stack.sql(given_up) == ""
    given_up = "SELECT kind, state, error FROM platform.job WHERE state IN ('failed', 'parked')"
    assert stack.sql(f"{given_up} AND created_at >= '{load.began}'") == ""
    assert not [one for one in load.failed if "import" in one and "not yet" in one], load.failed


def calm(load: Enduring, seconds: float = 3) -> None:
    """See that no request fails any more."""
    load.failed.clear()
    time.sleep(seconds)
    assert load.failed == []


def told_calmly(
    load: Enduring, since: float, *, codes: frozenset[int] = frozenset({503}), is_shut: bool = False
) -> tuple[int, float]:
    """See how failures were told since a moment; return how many they were and the longest request.

    While the door itself `is_shut` there is nobody to tell anything.
    """
    asked = [one for one in load.told if one.at >= since]
    bad = [one for one in asked if one.answer is None or one.answer.status >= 500]
    for one in bad:
        if is_shut and one.answer is None:
            continue
        assert one.answer is not None, one
        assert one.answer.status in codes, (one, one.answer.data[:300])
        assert int(one.answer.headers["Retry-After"]) > 0, one
        reference = one.answer.headers["X-Request-ID"]
        assert re.fullmatch(r"[0-9a-f]{32}", reference)
        if one.path.startswith("/api/"):
            assert one.answer.headers["Content-Type"] == "application/problem+json", one
            assert one.answer.json()["request_id"] == reference
        elif one.what == "page":
            assert one.answer.headers["Content-Type"].startswith("text/html")
            assert reference in one.answer.data.decode()
    return len(bad), max((one.seconds for one in asked), default=0.0)


def lives(load: Enduring, since: float) -> None:
    """See that web said all the time that it lives."""
    said = [one for one in load.told if one.what == "livez" and one.at >= since]
    assert said
    slow = [one for one in said if one.answer is None or one.answer.status != 200 or one.seconds > 3]
    assert not slow, slow


def no_connection_is_held(stack: Stack) -> None:
    """See that no pool is used up and no transaction was left open."""
    for expression in (
        'comptoir_database_connections{state="in_use"} >= on(instance) comptoir_database_connections{state="size"}',
        'ALERTS{alertname="PoolExhausted"}',
    ):
        assert query(stack, expression) == []
    left = "state LIKE 'idle in transaction%' AND state_change < now() - interval '10 s'"
    assert stack.sql(f"SELECT count(*) FROM pg_stat_activity WHERE {left}") == "0"


# What is promised

KILLED = {
    "nginx": "NginxDown",
    "web-blue": "WebDown",
    "postgres": "DatabaseDown",
    "valkey": "ValkeyDown",
    "pgbouncer": "ErrorRateHigh",
    "worker": "",
    "clock": "",
    "backup": "",
}
"""What is killed, and what tells an operator when it dies again and again; of the last three the work that waits tells,
after minutes and hours (QueueOld, SealOverdue, BackupOld)."""


@pytest.mark.parametrize("service", KILLED)
@pytest.mark.line("faults.kill")
def test_a_container_that_is_killed_is_back_by_itself(
    watched: Stack, load: Enduring, measured: Callable[[str], None], service: str
):
    alert, before = KILLED[service], inspect(watched, service)
    last = since = time.monotonic()
    kill(watched, service)
    once, published = recovery(watched, load, since), time.monotonic() - since
    while alert and not alerted(watched, since, alert):
        # Docker waits longer each time; what dies once is back too soon for anybody to be told.
        assert time.monotonic() < since + 90, f"{alert} does not fire"
        last = time.monotonic()
        kill(watched, service)
    again = recovery(watched, load, last) if alert else once

    def is_healthy() -> bool:
        found = inspect(watched, service)
        return bool(found["RestartCount"] > before["RestartCount"] and found["State"]["Health"]["Status"] == "healthy")

    until(is_healthy, seconds=90, what=f"{service} is healthy")
    count, longest = told_calmly(load, since, codes=frozenset({502, 503, 504}), is_shut=service == "nginx")
    assert longest < ANSWER_SECONDS_MAX
    calm(load)
    all_is_kept(watched, load)
    told = f", {alert} and well {again:.0f} s after the last of many" if alert else ""
    measured(
        f"{service} killed: well after {once:.0f} s, an import published after {published:.0f} s{told}; "
        f"{count} failed, longest {longest:.1f} s"
    )


@pytest.mark.line("faults.database")
def test_while_postgresql_is_stopped_everybody_is_told_and_nothing_is_lost(
    watched: Stack, load: Enduring, measured: Callable[[str], None]
):
    calm(load)
    one, again = container(watched, "postgres"), load.again
    watched.run("docker", "stop", one)
    since = time.monotonic()
    try:
        time.sleep(OUTAGE_SECONDS / 2)
        status, parts = readiness(watched)
        assert status == 503
        assert "does not answer" in parts["database"], parts
        time.sleep(OUTAGE_SECONDS / 2)
        alerts = fired(watched, since)
    finally:
        watched.run("docker", "start", one)
    started = time.monotonic()
    count, longest = told_calmly(load, since)
    assert count > 20, "nobody noticed: the test itself is broken"
    assert load.again > again, "no posting was sent again"
    assert longest < ANSWER_SECONDS_MAX
    taken = recovery(watched, load, started)
    lives(load, since)
    calm(load)
    all_is_kept(watched, load)
    no_connection_is_held(watched)
    assert "DatabaseDown" in alerts
    measured(f"{count} answers of 503, longest {longest:.1f} s; well {taken:.1f} s after the start; DatabaseDown")


CUTS = {
    "web from the pooler, swallowed": lambda stack: swallow(stack, "web-blue", 6432),
    "the pooler from PostgreSQL, swallowed": lambda stack: swallow(stack, "pgbouncer", 5432),
    "PostgreSQL from everybody, unplugged": lambda stack: unplug(stack, "postgres"),
    "the pooler from everybody, unplugged": lambda stack: unplug(stack, "pgbouncer"),
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.line("faults.network")
def test_a_cut_network_is_told_within_seconds_and_mends_by_itself(
    watched: Stack, load: Enduring, measured: Callable[[str], None], cut: str
):
    calm(load)
    mend, since = CUTS[cut](watched), time.monotonic()
    try:
        time.sleep(CUT_SECONDS)
        status, parts = readiness(watched)
        alerts = fired(watched, since)
    finally:
        mend()
    mended = time.monotonic()
    taken = recovery(watched, load, mended)
    count, longest = told_calmly(load, since)
    assert (status, "does not answer" in parts["database"]) == (503, True), parts
    assert count > 5, "nobody noticed: the test itself is broken"
    assert longest < ANSWER_SECONDS_MAX
    lives(load, since)
    calm(load)
    all_is_kept(watched, load)
    no_connection_is_held(watched)
    assert "ErrorRateHigh" in alerts
    measured(f"{cut}: {count} answers of 503, longest {longest:.1f} s; well after {taken:.1f} s; ErrorRateHigh")


@pytest.fixture
def browser(watched: Stack) -> dict[str, str]:
    """Return what the browser of somebody who signed in sends."""
    return watched.browser("owner@acme.example")


@pytest.mark.line("faults.valkey")
def test_valkey_is_lost_with_its_data_and_nothing_else_is(
    watched: Stack, load: Enduring, browser: dict[str, str], measured: Callable[[str], None]
):
    def register() -> int:
        with watched.pool() as site:
            return int(site.request("GET", "/t/acme/entries", headers=browser, redirect=False).status)

    calm(load)
    assert register() == 200
    watched.sql("TRUNCATE platform.rate_count")
    posted, since = len(load.posted), time.monotonic()
    watched.compose("rm", "-sf", "valkey")
    watched.run("docker", "volume", "rm", f"{watched.project}_valkey")
    try:
        time.sleep(15)
        status, parts = readiness(watched)
        went_on = len(load.posted) - posted
        counted = int(watched.sql("SELECT coalesce(sum(used), 0) FROM platform.rate_count"))
        session = register()
        alerts = fired(watched, since)
    finally:
        watched.compose("up", "-d", "--no-deps", "valkey")
    started = time.monotonic()
    taken = recovery(watched, load, started)
    assert (status, "does not answer" in parts["valkey"]) == (503, True), parts
    assert parts["database"] == "ok"
    count, longest = told_calmly(load, since)
    assert count == 0, "what needs no Valkey went on"
    assert longest < ANSWER_SECONDS_MAX
    assert went_on > 10
    assert counted > 0, "the limits were counted in PostgreSQL meanwhile"
    assert (session, register()) == (200, 200), "the session went on"
    calm(load)
    all_is_kept(watched, load)
    assert "ValkeyDown" in alerts
    measured(
        f"{went_on} postings while it was away, 0 failed, longest {longest:.1f} s; jobs run {taken:.1f} s after an "
        "empty one is there; ValkeyDown"
    )
