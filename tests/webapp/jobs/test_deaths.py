"""What becomes of a job when its worker, its database or Valkey dies under it."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.serializers import JSONSerializer
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests import hands
from webapp import clock as the_clock
from webapp import worker
from webapp.jobs import commands, queries
from webapp.jobs.blame import is_innocent, is_outage, lacks_room
from webapp.jobs.delivery import Courier, connect
from webapp.jobs.silence import Silence
from webapp.jobs.succession import bury_the_dead
from webapp.kernel.actor import Actor
from webapp.kernel.db import Database
from webapp.settings import Settings

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTOR = Actor.system("test", via="cli")


@pytest.fixture
def valkey(settings: Settings) -> Iterator["Redis[Any]"]:
    """Return a connection to an empty Valkey."""
    connection = connect(settings.redis_url)
    connection.flushdb()
    yield connection
    connection.close()


@pytest.fixture
def job(database: Database) -> Iterator[UUID]:
    """Return a job that waits; others are not touched."""
    job_id = uuid4()
    with database.platform() as session:
        commands.enqueue(session=session, actor=ACTOR, at=AT, job_id=job_id, kind="test", arguments={})
    yield job_id
    with database.platform() as session:
        commands.put_back(session=session, job_ids=[job_id], at=AT)
        if state(database, job_id) == "queued":
            commands.cancel(session=session, job_id=job_id, tenant_id=None, at=AT)


def state(database: Database, job_id: UUID) -> str:
    """Return a job's state."""
    with database.platform() as session:
        found = queries.job(session=session, job_id=job_id)
    assert found is not None
    return found.state


def begin(database: Database, job_id: UUID, at: datetime = AT) -> commands.Claim | None:
    """Claim a job."""
    with database.platform() as session:
        return commands.claim(session=session, job_id=job_id, at=at)


def test_a_job_of_a_dead_worker_is_queued_again_and_parked_at_the_third_death(database: Database, job: UUID):
    for expected in ("queued", "queued", "parked"):
        assert begin(database, job) is not None
        with database.platform() as session:
            assert commands.put_back(session=session, job_ids=[job], at=AT) == 1
        assert state(database, job) == expected
    assert begin(database, job) is None
    with database.platform() as session:
        commands.retry(session=session, job_id=job, tenant_id=None, at=AT)
    claim = begin(database, job)
    assert claim is not None
    assert claim.attempts == 1


def test_a_worker_that_was_taken_for_dead_says_no_more_of_a_job_that_another_runs(database: Database, job: UUID):
    lost, later = begin(database, job), AT + commands.STALE_AFTER + timedelta(seconds=1)
    assert lost is not None
    found = begin(database, job, later)
    assert found is not None and found.attempts == 2
    with database.platform() as session:
        assert not commands.beat(session=session, claim=lost, at=later + timedelta(seconds=1), done=7)
        assert not commands.fail(session=session, claim=lost, at=later, error="too late")
        commands.finish(session=session, claim=lost, at=later)
        seen = queries.job(session=session, job_id=job)
    assert seen is not None and (seen.state, seen.progress_done, seen.error) == ("running", 0, None)
    with database.platform() as session:
        commands.finish(session=session, claim=found, at=later)
    assert state(database, job) == "done"


def look(database: Database, silence: Silence, at: datetime) -> int:
    """Look for the silent once, as the clock does each second; return how many of all were put back."""
    with database.platform() as session:
        return commands.put_back_silent(session=session, silence=silence, at=at)


@pytest.mark.parametrize("moved", [timedelta(hours=3), timedelta(hours=-3)], ids=["forward", "back"])
def test_a_clock_that_is_moved_takes_nobody_for_dead_and_hides_no_death(
    database: Database, job: UUID, moved: timedelta
):
    steady = 0.0
    silence = Silence(seconds=15, steady=lambda: steady)
    claim = begin(database, job)
    assert claim is not None
    at = AT
    for steady in range(40):
        at += timedelta(seconds=1)
        if steady == 3:
            at += moved
        if steady % 10 == 5:
            with database.platform() as session:
                commands.beat(session=session, claim=claim, at=at)
        look(database, silence, at)
        assert state(database, job) == "running", f"a job that beats was taken away after {steady} s"
    for steady in range(40, 60):  # noqa: B007 - the steady time that the lambda reads
        at += timedelta(seconds=1)
        look(database, silence, at)
    assert state(database, job) == "queued", "a job that beats no more was left lying"


def test_planning_that_fails_holds_up_no_delivery(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    done: list[str] = []

    def plan(_settings: Settings) -> int:
        done.append("planned")
        if len(done) > 3:
            os.kill(os.getpid(), signal.SIGTERM)
        raise OperationalError("UPDATE", {}, psycopg.errors.LockNotAvailable("somebody removes a workspace"))

    def sweep(_name: str) -> int:
        done.append("swept")
        if done.count("swept") > 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    for name, deed in {"plan_backups": plan, "sweep_once": sweep, "_keep_trails": lambda *_: None}.items():
        monkeypatch.setattr(the_clock, name, deed)
    monkeypatch.setattr(the_clock.logs, "configure", lambda _level: None)
    monkeypatch.setattr(the_clock, "TICK_SECONDS", 0.01)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        the_clock.tick(settings)
    finally:
        worker.release()
        for number, deed in before.items():
            signal.signal(number, deed)
    assert done == ["swept", "planned", "swept", "swept"], "and it is planned again in a minute, not each second"


def test_who_could_not_look_for_a_while_listens_anew(database: Database, job: UUID):
    steady = 0.0
    silence = Silence(seconds=15, steady=lambda: steady)
    assert begin(database, job) is not None
    look(database, silence, AT)
    steady = 40.0
    look(database, silence, AT + timedelta(seconds=40))
    assert state(database, job) == "running", "nobody could beat either while the database was away"


def test_what_a_clock_that_was_ahead_has_queued_runs_at_once(database: Database, job: UUID):
    back = AT - timedelta(hours=3)
    with database.platform() as session:
        assert job in {one for _queue, one in commands.sweep(session=session, at=AT)}
        assert job in {one for _queue, one in commands.sweep(session=session, at=back)}, "delivered, by a clock ahead"
        session.execute(
            text("UPDATE job SET available_at = :at WHERE id = :id"), {"id": job, "at": AT + timedelta(hours=1)}
        )
    assert begin(database, job, back) is None, "what was to wait an hour does wait"
    with database.platform() as session:
        session.execute(text("UPDATE job SET available_at = created_at WHERE id = :id"), {"id": job})
    assert begin(database, job, back) is not None


def test_a_job_does_not_end_before_it_began_when_the_clock_is_put_back(database: Database, job: UUID):
    claim = begin(database, job)
    assert claim is not None
    with database.platform() as session:
        commands.finish(session=session, claim=claim, at=AT - timedelta(hours=1))
        found = queries.job(session=session, job_id=job)
    assert found is not None and found.finished_at == found.started_at


def test_a_full_disk_is_told_from_a_fault_of_the_job():
    full = psycopg.errors.DiskFull("could not extend file")
    assert lacks_room(full)
    assert lacks_room(OperationalError("INSERT", {}, full))
    assert lacks_room(OSError(errno.ENOSPC, "No space left on device"))
    assert not any(lacks_room(one) for one in (OSError(errno.EACCES, "refused"), psycopg.errors.OutOfMemory("none")))


def test_an_outage_of_the_database_is_no_attempt_of_the_job(database: Database, job: UUID):
    at = AT
    for _ in range(commands.ATTEMPTS_MAX + 2):
        claim = begin(database, job, at)
        assert claim is not None
        assert claim.attempts == 1
        with database.platform() as session:
            assert not commands.fail(session=session, claim=claim, at=at, error="gone", counts=False)
        at += timedelta(seconds=2)


def test_a_failure_of_its_own_parks_a_job_at_the_third_time(database: Database, job: UUID):
    at, outcomes = AT, []
    for _ in range(commands.ATTEMPTS_MAX):
        claim = begin(database, job, at)
        assert claim is not None
        with database.platform() as session:
            outcomes.append(commands.fail(session=session, claim=claim, at=at, error="broken"))
        at += timedelta(seconds=60)
    assert outcomes == [False, False, True]


def test_what_valkey_still_holds_is_not_delivered_twice_and_what_it_lost_is(valkey: "Redis[Any]"):
    courier, queue = Courier(valkey), Queue("imports", connection=valkey, serializer=JSONSerializer)
    kept, lost = uuid4(), uuid4()
    courier.deliver([("imports", kept)])
    assert courier.deliver_missing([("imports", kept), ("imports", lost)]) == 1
    assert [one.args for one in queue.jobs] == [[str(kept)], [str(lost)]]
    valkey.flushdb()
    assert courier.deliver_missing([("imports", kept), ("imports", lost)]) == 2


def test_a_successor_finds_the_job_of_a_worker_that_was_killed_on_this_machine(valkey: "Redis[Any]"):
    job_id = uuid4()
    Courier(valkey).deliver([("imports", job_id)])
    queue = Queue("imports", connection=valkey, serializer=JSONSerializer)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    workers = {
        "dead": (dead.pid, socket.gethostname()),
        "alive": (os.getppid(), socket.gethostname()),
        "elsewhere": (dead.pid, "another-machine"),
    }
    for name, (pid, host) in workers.items():
        worker = SimpleWorker([queue], connection=valkey, serializer=JSONSerializer, name=name)
        worker.pid, worker.hostname = pid, host
        worker.register_birth()
        worker.set_current_job_id(queue.job_ids[0] if name == "dead" else f"{uuid4()}-other")
    assert bury_the_dead(valkey) == [job_id]
    left = {worker.name for worker in Worker.all(connection=valkey, serializer=JSONSerializer)}
    assert left == {"alive", "elsewhere"}
    assert bury_the_dead(valkey) == []


def test_a_goodbye_of_the_server_is_told_from_a_connection_that_a_statement_broke():
    shutdown = psycopg.errors.AdminShutdown("terminating connection due to administrator command")
    silence = psycopg.OperationalError("server closed the connection unexpectedly")
    refusal = psycopg.errors.UniqueViolation("duplicate key")
    assert is_innocent(shutdown)
    assert is_innocent(OperationalError("SELECT 1", {}, shutdown))
    assert is_innocent(OperationalError(None, None, silence))
    assert not is_innocent(OperationalError("SELECT 1", {}, silence))
    assert not is_innocent(refusal)
    assert not is_innocent(ValueError("broken"))
    assert [is_outage(one) for one in (shutdown, silence, refusal, ValueError())] == [True, True, False, False]


def test_what_a_full_disk_stops_is_tried_after_ever_longer_pauses_until_there_is_room(
    settings: Settings, database: Database, job: UUID, monkeypatch: pytest.MonkeyPatch
):
    clock = hands.Clock(AT)
    trouble: list[Exception | None] = [OSError(errno.ENOSPC, "No space left on device")]

    def code(_context: Any) -> None:
        if trouble[0]:
            raise trouble[0]

    def pause() -> float:
        with database.platform() as session:
            state, attempts, available_at = session.execute(
                text("SELECT state, attempts, available_at FROM job WHERE id = :id"), {"id": job}
            ).one()
        assert (state, attempts) == ("queued", 0)
        return float((available_at - clock()).total_seconds())

    monkeypatch.setattr(worker, "handlers", lambda: {"test": code})
    worker.prepare(settings, clock=clock)
    try:
        pauses = []
        for _ in range(8):
            worker.perform(str(job))
            pauses.append(pause())
            # A worker that takes it later than it could have makes no pause longer.
            clock.forward(seconds=pauses[-1] + 45)
        assert pauses == [30, 60, 120, 240, 480, 600, 600, 600]
        trouble[0] = psycopg.errors.AdminShutdown("terminating connection due to administrator command")
        worker.perform(str(job))
        assert pause() == 1
        clock.forward(seconds=2)
        trouble[0] = psycopg.errors.DiskFull("could not extend file")
        worker.perform(str(job))
        assert pause() == 30, "there was room meanwhile"
        clock.forward(seconds=31)
        trouble[0] = None
        worker.perform(str(job))
        assert state(database, job) == "done"
    finally:
        worker.release()


def test_a_job_that_died_or_was_tried_again_by_hand_was_not_put_off(database: Database, job: UUID):
    claim = begin(database, job)
    assert claim is not None and claim.paused == timedelta(0)
    with database.platform() as session:
        commands.put_back(session=session, job_ids=[job], at=AT + timedelta(hours=2))
    again = begin(database, job, AT + timedelta(hours=3))
    assert again is not None and again.paused == timedelta(0)
    with database.platform() as session:
        session.execute(text("UPDATE job SET state = 'parked' WHERE id = :id"), {"id": job})
        commands.retry(session=session, job_id=job, tenant_id=None, at=AT + timedelta(hours=5))
    third = begin(database, job, AT + timedelta(hours=6))
    assert third is not None and third.paused == timedelta(0)
