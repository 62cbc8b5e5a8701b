"""Disks that are full, memory that is used up, a clock that moves, two clocks: nothing is lost, nothing happens twice.

The tests run in order on one stack, whose database, backups and backups of workspaces lie on small disks of their own.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyrage
import pytest
import urllib3

from tests.production.scarcity import Disk, Work, fetch_faketime, move, override
from tests.production.stack import Stack, until
from tests.production.test_watching import STANDIN, WATCHERS, query

WATCH = ("prometheus", "node-exporter", "postgres-exporter")
COMPTOIR, POSTGRES = 10001, 999


class Place:
    """The stack, its disks and a token of its workspace."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.database = Disk(folder, "postgres", megabytes=500, owner=POSTGRES)
        self.backups = Disk(folder, "backups", megabytes=96, owner=POSTGRES)
        self.workspaces = Disk(folder, "workspaces", megabytes=24, owner=COMPTOIR)
        self.token = ""

    @property
    def disks(self) -> tuple[Disk, ...]:
        """Return every disk."""
        return (self.database, self.backups, self.workspaces)

    def work(self, **options: Any) -> Work:
        """Return somebody who will work in the workspace."""
        return Work(self.stack, "acme", self.token, **options)

    def job(self, job_id: str) -> dict[str, Any]:
        """Return a job's row."""
        found = self.stack.sql(f"SELECT row_to_json(j) FROM platform.job j WHERE id = '{job_id}'")
        return dict(json.loads(found))

    def fires(self, name: str, *, seconds: float = 150, **labels: str) -> None:
        """Wait until an alert fires."""
        chosen = ",".join(f'{label}="{value}"' for label, value in {"alertname": name, **labels}.items())
        expression = f'ALERTS{{{chosen},alertstate="firing"}}'
        until(lambda: query(self.stack, expression), seconds=seconds, what=f"{name} fires")

    def is_well(self) -> bool:
        """Tell whether the installation says that all of it is ready."""
        try:
            return bool(self.stack.pool().request("GET", "/readyz", timeout=5).status == 200)
        except (urllib3.exceptions.HTTPError, OSError):
            return False

    def restarts(self, service: str) -> int:
        """Return how often docker started a container again."""
        (container,) = self.stack.compose("ps", "-q", service).split()
        return int(self.stack.run("docker", "inspect", "-f", "{{.RestartCount}}", container).stdout)


@pytest.fixture(scope="module")
def place(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Return a running installation on small disks, watched by rules that wait for seconds instead of minutes."""
    project = f"comptoir-scarce-{uuid4().hex[:8]}"
    settings = {
        "COMPOSE_FILE": "docker-compose.production.yml:scarcity.yml",
        "BACKUP_HOUR": str((datetime.now(UTC).hour + 12) % 24),
        **dict.fromkeys(WATCHERS.values(), STANDIN),
    }
    stack = Stack(tmp_path_factory.mktemp("scarce") / "comptoir", project, settings=settings)
    folder = Path("/var/tmp") / project  # noqa: S108 - whoever watches may not look into pytest's own folders
    place = Place(stack, folder)
    try:
        override(stack, place.disks)
        stack.setup()
        with (stack.folder / ".production/product.env").open("a") as product:
            recipient = pyrage.x25519.Identity.generate().to_public()
            product.write(f"COMPTOIR_BACKUP_RECIPIENTS={recipient}\nCOMPTOIR_BACKUP_HOUR={datetime.now(UTC).hour}\n")
        hasten(stack)
        stack.up()
        stack.compose("--profile", "observability", "up", "-d", "--no-deps", *WATCH)
        stack.comptoir("tenant", "create", "--slug", "acme", "--name", "Acme", "--owner", "owner@acme.example")
        place.token = stack.token("acme", "owner@acme.example")
        yield place
    finally:
        stack.down()
        for disk in place.disks:
            disk.close()
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _room(place: Place) -> Iterator[None]:
    """Leave room and a stack that is well behind each test, however it ended."""
    yield
    for disk in place.disks:
        disk.empty()
    until(place.is_well, seconds=180, what="the stack well again")


def hasten(stack: Stack) -> None:
    """Let this stack's own copy of the rules wait for seconds."""
    rules, settings = stack.folder / "ops/prometheus/rules.yml", stack.folder / "ops/prometheus/prometheus.yml"
    text = re.sub(r"for: \d+[mh]", "for: 5s", rules.read_text())
    rules.write_text(text.replace("comptoir_wal_archive_lag_seconds) > 300", "comptoir_wal_archive_lag_seconds) > 20"))
    settings.write_text(settings.read_text().replace("_interval: 15s", "_interval: 5s"))


@pytest.mark.line("faults.disk.database")
def test_a_full_disk_of_the_database_refuses_in_words_loses_nothing_and_needs_no_hand(
    place: Place, measured: Callable[[str], None]
):
    with place.work() as work:
        place.database.fill()
        until(lambda: work.told("posting")[503, "storage_full"] >= 3, seconds=120, what="postings refused in words")
        # At once: within a minute PostgreSQL wants another file for its log of changes, and ends itself.
        reads = work.told("read")[200, ""]
        until(lambda: work.told("read")[200, ""] > reads + 3, seconds=20, what="reads that go on")
        place.fires("DiskLow", device=place.database.device)
        # Until not even the log of changes has room and PostgreSQL ends itself.
        until(lambda: not _switches(place.stack), seconds=60, what="PostgreSQL away")
        until(lambda: work.told("posting")[503, "database_unreachable"], seconds=60, what="refusals while it is away")
        page = work.site.request("GET", "/t/acme/entries", headers={**work.site.headers, "Accept": "text/html"})
        assert page.status == 503, page.data
        assert 'id="request-id"' in page.data.decode()
        place.fires("DatabaseDown")
        place.database.empty()
        began, before = time.monotonic(), len(work.posted)
        until(lambda: len(work.posted) > before + 3, seconds=180, what="postings go on by themselves")
        took = time.monotonic() - began
    work.audit()
    told = work.told("posting")
    measured(f"{told[503, 'storage_full']} refused in words, {len(work.posted)} posted, back {took:.0f} s after room")


def _switches(stack: Stack) -> bool:
    """Ask for another file of the log of changes; tell whether it was given."""
    words = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-d", "comptoir", "-Atc")
    script = "SELECT pg_logical_emit_message(true, 'x', repeat(md5(random()::text), 30000)) FROM generate_series(1, 20)"
    done = stack.run("ops/compose", "exec", "-T", "postgres", *words, script, check=False)
    return done.returncode == 0


@pytest.mark.line("faults.disk.documents")
def test_a_full_disk_of_the_documents_keeps_no_half_file_and_what_was_taken_is_finished(
    place: Place, measured: Callable[[str], None]
):
    with place.work(pause=0.5) as work:
        taken = work.upload(2_000)
        assert taken is not None and taken.status == 202, taken and taken.data
        place.database.fill()
        tables = (
            f"SELECT (SELECT count(*) FROM {work.schema}.import), (SELECT count(*) FROM {work.schema}.import_chunk)"
        )
        before = place.stack.sql(tables)
        refused = [work.upload(5_000, width=200) for _ in range(3)]
        told = [(one.status, one.json()["code"], bool(one.json()["request_id"])) for one in refused if one is not None]
        assert told and set(told) <= {(503, "storage_full", True), (503, "database_unreachable", True)}
        assert (503, "storage_full", True) in told
        place.fires("DiskLow", device=place.database.device)
        place.database.empty()
        until(lambda: work.told("posting")[201, ""], seconds=120, what="a posting")
        assert place.stack.sql(tables) == before, "a refused upload left something"
        work.published(taken.json()["id"], rows=2_000)
        again = work.upload(5_000, width=200)
        assert again is not None and again.status == 202, again and again.data
        work.published(again.json()["id"], rows=5_000)
        made = work.call("POST", "/exports", json={})
        assert made is not None and made.status == 202, made and made.data
        until(lambda: _export(work, made.json()["id"]) == "ready", seconds=120, what="an export")
    work.audit()
    missing = (
        f"SELECT count(*) FROM {work.schema}.import i WHERE size_bytes > 0 AND NOT EXISTS"
        f" (SELECT FROM {work.schema}.import_chunk c WHERE c.import_id = i.id)"
    )
    assert place.stack.sql(missing) == "0", "an import points to a file that is not there"
    measured(f"{len(told)} uploads refused, what was taken before was booked once, an export after it")


def _export(work: Work, export_id: str) -> str:
    answer = work.call("GET", "/exports")
    found = answer.json()["data"] if answer is not None and answer.status == 200 else []
    return next((str(one["state"]) for one in found if one["id"] == export_id), "")


@pytest.mark.line("faults.disk.backups")
def test_a_full_disk_of_the_backups_says_so_and_postings_go_on(place: Place, measured: Callable[[str], None]):
    stack = place.stack
    until(lambda: _measures(stack).get('comptoir_backup_success{type="full"}') == 1, seconds=120, what="a full backup")
    with place.work() as work:
        place.backups.fill()
        stack.sql("SELECT pg_switch_wal()")
        asked = stack.run("ops/backup", check=False)
        assert asked.returncode == 1
        assert "No space left on device" in asked.stderr
        inside = ("ops/compose", "exec", "-T", "backup", "bash", "/etc/comptoir/backup.sh", "diff")
        with ThreadPoolExecutor(1) as aside:
            # As the night takes it; pgBackRest waits a minute for the archive.
            taking = aside.submit(stack.run, *inside, check=False)
            for alert in ("BackupFailed", "WalArchiveLag"):
                place.fires(alert)
            place.fires("DiskLow", device=place.backups.device)
            done = taking.result()
        assert done.returncode == 1
        assert "No space left on device" in done.stdout
        told = _measures(stack)
        assert (
            told['comptoir_backup_success{type="diff"}'] == told['comptoir_backup_success{type="configuration"}'] == 0
        )
        before = len(work.posted)
        until(lambda: len(work.posted) > before + 5, seconds=30, what="postings that go on")
        assert set(work.told("posting")) == {(201, "")}
        drill = stack.run("ops/drill", check=False)
        assert drill.returncode == 0, drill.stdout + drill.stderr
        place.backups.empty()
        began = time.monotonic()
        waiting = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
        until(lambda: stack.sql(waiting) == "0", seconds=150, what="the changes in the archive")
        took = time.monotonic() - began
        stack.run("ops/backup", "diff")
        told = _measures(stack)
        assert (
            told['comptoir_backup_success{type="diff"}'] == told['comptoir_backup_success{type="configuration"}'] == 1
        )
    work.audit()
    measured(
        f"{len(work.posted)} posted without a refusal, the older backup restored, archived {took:.0f} s after room"
    )


def _measures(stack: Stack) -> dict[str, float]:
    text = stack.compose("exec", "-T", "backup", "cat", "/var/lib/comptoir/metrics/backup.prom", check=False)
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}


@pytest.mark.line("faults.disk.backups")
def test_a_backup_of_a_workspace_waits_for_room_and_leaves_no_half_file(place: Place, measured: Callable[[str], None]):
    stack = place.stack
    place.workspaces.fill()
    stack.comptoir("tenant", "create", "--slug", "gamma", "--name", "Gamma", "--owner", "owner@gamma.example")
    tonight = "SELECT id FROM platform.backup WHERE slug = 'gamma'"
    backup = until(lambda: stack.sql(tonight), seconds=90, what="tonight's backup planned")
    stack.sql(f"UPDATE platform.job SET available_at = now() WHERE id = '{backup}'")
    until(lambda: "No space left" in (place.job(backup)["error"] or ""), seconds=90, what="a failure in words")
    seen = place.job(backup)
    assert seen["state"] == "queued" and seen["attempts"] == 0, "a full disk is no fault of the job"
    assert stack.sql(f"SELECT state, error ~ 'No space left' FROM platform.backup WHERE id = '{backup}'") == "failed|t"
    assert not _files(place), "half a backup is left"
    place.fires("WorkspaceBackupsFail")
    place.workspaces.empty()
    began = time.monotonic()
    # Its pauses double: after the two and a half minutes that an alert may take, the longest is of two minutes.
    until(lambda: place.job(backup)["state"] == "done", seconds=150, what="the backup, by itself")
    (file,) = _files(place)
    assert (
        stack.sql(f"SELECT state, size_bytes FROM platform.backup WHERE id = '{backup}'")
        == f"done|{file.stat().st_size}"
    )
    measured(f"a workspace's backup was taken {time.monotonic() - began:.0f} s after there was room")


def _files(place: Place) -> list[Path]:
    """Return what lies there of the workspace, drafts too."""
    return [path for path in place.workspaces.folder.iterdir() if "gamma" in path.name]


@pytest.mark.line("faults.memory")
def test_a_worker_without_memory_is_started_again_and_a_job_that_kills_it_is_parked_in_words(
    place: Place, measured: Callable[[str], None]
):
    stack = place.stack
    # Who is held waits as long as the test takes: the role's own patience would end the job first.
    for setting in ("lock_timeout", "statement_timeout"):
        stack.sql(f"ALTER ROLE comptoir_app SET {setting} = '5min'")
    stack.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'comptoir_app'")
    with stack.pool() as site:
        until(lambda: site.request("GET", "/readyz").status == 200, seconds=60, what="everything connected anew")
    with place.work(pause=1.0) as work:
        with _held(work):
            first = work.upload(10_000).json()["id"]
            job = _job_of(work, first)
            _run_out(place, job, attempt=1)
        work.published(first, rows=10_000, seconds=240)
        place.fires("OutOfMemory")

        with _held(work):
            second = work.upload(10_000).json()["id"]
            fatal = _job_of(work, second)
            for attempt in (1, 2, 3):
                _run_out(place, fatal, attempt=attempt)
            until(lambda: place.job(fatal)["state"] == "parked", seconds=60, what="the job parked")
        assert "died three times" in place.job(fatal)["error"]
        place.fires("JobsParked")
        third = work.upload(500).json()["id"]
        work.published(third, rows=500)
        answer = work.call("POST", f"/jobs/{fatal}/retry")
        assert answer is not None and answer.status == 200, answer and answer.data
        work.published(second, rows=10_000, seconds=240)
    work.audit()
    for setting, usual in (("lock_timeout", "10s"), ("statement_timeout", "30s")):
        stack.sql(f"ALTER ROLE comptoir_app SET {setting} = '{usual}'")
    restarts = place.restarts("worker")
    measured(
        f"{restarts} workers ended by the kernel; one import taken up again, one parked and booked once afterwards"
    )
    assert restarts >= 4
    assert stack.sql("SELECT count(*) FROM platform.job WHERE state = 'parked'") == "0"


def _job_of(work: Work, import_id: int) -> str:
    return str(work.stack.sql(f"SELECT job_id FROM {work.schema}.import WHERE id = {import_id}"))


@contextmanager
def _held(work: Work) -> Iterator[None]:
    """Keep jobs that read statements waiting in the middle of their work."""
    words = ("exec", "-T", "postgres", "psql", "-h", "/var/run/postgresql", "-U", "postgres", "-q")
    hold = f"BEGIN; LOCK TABLE {work.schema}.import_row; SELECT pg_sleep(600)"
    named = "dbname=comptoir application_name=holder"
    with ThreadPoolExecutor(1) as aside:
        holding = aside.submit(work.stack.compose, *words, named, "-c", hold, check=False, seconds=700)
        here = "FROM pg_stat_activity WHERE application_name = 'holder' AND wait_event = 'PgSleep'"
        try:
            until(lambda: work.stack.sql(f"SELECT count(*) {here}") == "1", seconds=30, what="the table held")
            yield
        finally:
            work.stack.sql(f"SELECT pg_terminate_backend(pid) {here}")
            holding.result()


def _run_out(place: Place, job_id: str, *, attempt: int) -> None:
    """Let the kernel end the worker as soon as it runs a job: something else takes all of the container's memory."""
    stack = place.stack
    running = f"SELECT count(*) FROM platform.job WHERE id = '{job_id}' AND state = 'running' AND attempts = {attempt}"
    until(lambda: stack.sql(running) == "1", seconds=120, what=f"job {job_id} runs")
    before = place.restarts("worker")
    eat = (
        "import glob\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    words = open(path, 'rb').read().split(b'\\0')\n"
        "    if b'worker' in words and any(b'python' in one for one in words[:1]):\n"
        "        open(path.replace('cmdline', 'oom_score_adj'), 'w').write('1000')\n"
        "kept = []\n"
        "while True:\n"
        "    kept.append(bytearray(8 << 20))\n"
    )
    stack.run("ops/compose", "exec", "-T", "worker", "python3", "-c", eat, check=False)
    until(lambda: place.restarts("worker") > before, seconds=60, what="the worker started again")


@pytest.mark.line("faults.clocks")
def test_two_clocks_do_everything_once(place: Place, measured: Callable[[str], None]):
    stack = place.stack
    since = stack.sql("SELECT now()")
    stack.compose("up", "-d", "--no-deps", "--no-recreate", "--scale", "clock=2", "clock")
    try:
        heard = (
            "SELECT count(*) FROM platform.heartbeat WHERE kind = 'clock' AND seen_at > now() - interval '20 seconds'"
        )
        until(lambda: stack.sql(heard) == "2", seconds=90, what="two clocks")
        stack.comptoir("tenant", "create", "--slug", "beta", "--name", "Beta", "--owner", "owner@beta.example")
        with place.work() as work:
            brought = [work.upload(1_000).json()["id"] for _ in range(3)]
            for one in brought:
                work.published(one, rows=1_000)
            planned = "SELECT count(*) FROM platform.backup WHERE slug = 'beta'"
            until(lambda: stack.sql(planned) == "1", seconds=90, what="tonight's backup of the new workspace")
            time.sleep(65)
            assert stack.sql(planned) == "1", "a backup was planned twice"
        work.audit()
        again = f"SELECT count(*) FROM platform.job WHERE created_at > '{since}' AND attempts > 1"
        assert stack.sql(again) == "0", "a job was begun twice"
        assert stack.comptoir("audit", "verify")
        assert not query(stack, 'ALERTS{alertname=~"Jobs.*|Queue.*|Seal.*",alertstate="firing"}')
        measured(f"3 imports and {len(work.posted)} postings once, tonight's backups planned once")
    finally:
        stack.compose("up", "-d", "--no-deps", "--scale", "clock=1", "clock")


@pytest.mark.line("faults.clock")
def test_a_clock_that_moves_repeats_no_job_and_breaks_no_trail(place: Place, measured: Callable[[str], None]):
    stack = place.stack
    fetch_faketime(stack)
    override(stack, place.disks, moved=True)
    stack.up()
    again, moves = "SELECT id FROM platform.job WHERE attempts > 1", (3, 0, -2, 5)
    before = set(stack.sql(again).split())
    with place.work(pause=1.0) as work:
        for hours in moves:
            brought = work.upload(15_000).json()["id"]
            running = f"SELECT count(*) FROM platform.job WHERE id = '{_job_of(work, brought)}' AND state = 'running'"
            until(lambda: stack.sql(running) == "1", seconds=120, what="a running import")  # noqa: B023 called at once
            move(stack, hours)
            offset = "SELECT round(extract(epoch FROM clock_timestamp()))"
            until(
                lambda: abs(float(stack.sql(offset)) - time.time() - hours * 3600) < 30,  # noqa: B023 called at once
                seconds=30,
                what=f"the clock {hours} h away",
            )
            if hours:
                place.fires("ClockMoved")
            there = len(work.posted)
            work.published(brought, rows=15_000)
            until(lambda: len(work.posted) > there + 2, seconds=60, what="postings by the same token")  # noqa: B023 called at once
    work.audit()
    assert set(stack.sql(again).split()) <= before, "a job was run twice"
    backwards = "SELECT count(*) FROM platform.job WHERE finished_at < started_at"
    assert stack.sql(backwards) == "0", "a job ended before it began"
    twice = "SELECT tenant_id, night FROM platform.backup WHERE night IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
    assert stack.sql(twice) == "", "a night was backed up twice"
    assert stack.comptoir("audit", "verify")
    assert _measures(stack)["comptoir_wal_archive_lag_seconds"] >= 0
    told = ", ".join(f"{one:+d}" for one in moves)
    measured(f"the clock moved to {told} h under running imports: each run once, {len(work.posted)} postings once")
