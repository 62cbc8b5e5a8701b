"""The worker and the clock: the one list of the kinds of jobs, and the loops that run and deliver them."""

import gc
import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker.base import DequeueStrategy, StopRequested
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tenants.money.holds import jobs as hold_jobs
from tenants.money.imports import jobs as import_jobs
from tenants.money.imports import learning
from tenants.money.ledger import news
from tenants.office.policies import jobs as policy_jobs
from webapp.audit.sealer import Sealer, tell_event
from webapp.backups import commands as backups
from webapp.backups import erasures, exports
from webapp.backups import jobs as backup_jobs
from webapp.identity import jobs as identity_jobs
from webapp.jobs import commands
from webapp.jobs.blame import is_innocent, is_outage, lacks_room
from webapp.jobs.context import Handler, JobCancelled, JobContext, TryLater
from webapp.jobs.delivery import QUEUES, Courier, connect
from webapp.jobs.silence import Silence
from webapp.jobs.succession import bury_the_dead
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import Database, app_url, owner_engine
from webapp.kernel.ids import new_id, new_secret
from webapp.keys import jobs as key_jobs
from webapp.mail import jobs as mail_jobs
from webapp.settings import Settings
from webapp.tenancy import jobs as tenancy_jobs
from webapp.web import logs, telemetry

TICK_SECONDS = 1.0
BEAT_SECONDS = 3.0
RECONNECT_SECONDS = 0.3
OUTAGE_SECONDS_MAX = 60
"""So long a worker waits for the database, with a job in its hands, before it leaves the job to the sweep."""
FULL_DELAY, FULL_DELAY_MAX = timedelta(seconds=30), timedelta(minutes=10)
"""A job that a full disk stopped is tried again so long after, as often as it takes: somebody has to make room.

The delay is twice the one before, until it is the longer of these.
"""
CLEAR_SECONDS = 6 * 3600.0
"""So often the clock looks for events whose time is over."""
SEAL_SECONDS = 3.0
"""So long the sealer rests between two rounds over the trails."""
PLAN_SECONDS = 60.0
"""So often the clock looks for workspaces that lack tonight's backup."""
PLAN_LOCK = 7_306_012
"""Key of the advisory lock of who plans backups."""
CLOCK_LOCK = 7_306_001
"""Key of the advisory lock that only one clock holds."""

T = TypeVar("T")
log = structlog.get_logger()
_process: dict[str, Any] = {}


def handlers() -> dict[str, Handler]:
    """Return the code of every kind of job."""
    return {
        **backup_jobs.HANDLERS,
        **hold_jobs.HANDLERS,
        **identity_jobs.HANDLERS,
        **import_jobs.HANDLERS,
        **key_jobs.HANDLERS,
        **mail_jobs.HANDLERS,
        **policy_jobs.HANDLERS,
        **tenancy_jobs.HANDLERS,
    }


def prepare(settings: Settings, **overrides: Any) -> None:
    """Open this process's own connections, closing those it had; call it after a fork, not before."""
    release()
    redis: Redis[Any] = connect(settings.redis_url)
    services: dict[str, Any] = {
        "settings": settings,
        "database": Database(
            app_url(settings.database_url, settings.secret_key), pool_size=4, pooler=settings.database_pooler
        ),
        "clock": utc_now,
        "new_id": new_id,
        "new_secret": new_secret,
        "after_commit": Courier(redis).after_commit,
        "silence": Silence(seconds=commands.STALE_AFTER.total_seconds()),
    }
    _process.update(services | overrides, redis=redis)
    _process["database"].keys = new_ring(settings)
    _process["tracer"] = telemetry.install(settings, service="comptoir-worker", engine=_process["database"].engine)
    news.subscribe(learning.NAME, learning.learn_from_changes)


def release() -> None:
    """Close the connections that this process opened for its jobs."""
    if _process:
        _process["database"].close()
        _process["redis"].close()
    _process.clear()


def perform(job_id: str) -> None:
    """Run one delivered job: claim it, run its code, note how it ended. The tenant is bound per transaction only."""
    clock = _process["clock"]
    claim = _when_database_answers(
        lambda session: commands.claim(session=session, job_id=UUID(job_id), at=clock()),
    )
    if claim is None:
        return
    context = JobContext(
        claim,
        *(_process[name] for name in ("settings", "database", "clock", "new_id", "new_secret", "after_commit")),
    )
    tenant = str(claim.tenant_id or "")
    with structlog.contextvars.bound_contextvars(job_id=job_id, kind=claim.kind, tenant=tenant):
        began = time.perf_counter()
        about = {"job.id": job_id, "job.kind": claim.kind, "job.attempt": str(claim.attempts), "tenant": tenant}
        with telemetry.span(_process["tracer"], f"job {claim.kind}", parent=claim.trace, **about) as told:
            outcome = told["job.outcome"] = _run(context)
            if outcome in {"failed", "parked"}:
                told["error"] = outcome
        log.info("job", outcome=outcome, milliseconds=round((time.perf_counter() - began) * 1000, 1))


def _run(context: JobContext) -> str:
    """Run a claimed job's code beside its pulse and note on its row how it ended; return that."""
    clock, claim = _process["clock"], context.claim
    failure: Exception | None = None
    outcome = "done"
    over = threading.Event()
    pulse = threading.Thread(target=_pulse, args=(context, over), daemon=True)
    pulse.start()
    try:
        handlers()[claim.kind](context)
    except JobCancelled:
        outcome = "cancelled"
    except Exception as error:  # noqa: BLE001 - whatever a job raises is noted on its row, with its trace in the log
        failure = error
    finally:
        over.set()
        pulse.join()
    if failure is None:
        _when_database_answers(
            lambda session: commands.finish(
                session=session,
                claim=claim,
                at=clock(),
                state="done" if outcome == "done" else "cancelled",
            )
        )
        return outcome
    reason = "".join(traceback.format_exception_only(failure)).strip()
    later = failure.delay if isinstance(failure, TryLater) else None
    if lacks_room(failure):
        later = min(max(FULL_DELAY, 2 * claim.paused), FULL_DELAY_MAX)
    counts = later is None and not is_innocent(failure)
    if counts:
        log.error("job.failed", exc_info=failure)
    else:
        log.warning("job.interrupted", reason=reason.splitlines()[0])
    parked = _when_database_answers(
        lambda session: commands.fail(
            session=session,
            claim=claim,
            at=clock(),
            error=reason,
            counts=counts,
            delay=later or timedelta(seconds=1),
        ),
    )
    return "parked" if parked else "failed" if counts else "interrupted"


def _when_database_answers(act: Callable[[Session], T]) -> T:
    """Do something in a transaction of the platform, waiting while the database is away.

    Raises what the database raises when it stays away, or refuses.
    """
    database: Database = _process["database"]
    patience = time.monotonic() + OUTAGE_SECONDS_MAX
    has_said = False
    while True:
        try:
            with database.platform() as session:
                return act(session)
        except (SQLAlchemyError, psycopg.Error) as error:
            if not (is_outage(error) or lacks_room(error)) or time.monotonic() > patience:
                raise
            if not has_said:
                log.warning("worker.waits_for_database", reason=str(error).splitlines()[0])
            has_said = True
        time.sleep(RECONNECT_SECONDS)


def _pulse(context: JobContext, over: threading.Event) -> None:
    """Keep a job's heartbeat while one long statement runs; the job's own beats carry its progress."""
    while not over.wait(BEAT_SECONDS):
        try:
            context.beat()
        except (SQLAlchemyError, psycopg.Error, JobCancelled):
            log.debug("job.pulse_missed")


class _Worker(SimpleWorker):
    """Runs jobs in its own process, so that modules are loaded once; the supervisor replaces a process that dies."""

    max_connection_wait_time = 1.0

    def run_maintenance_tasks(self) -> None:
        """Nothing of RQ's own registries is relied on: the job rows are the truth."""

    @property
    def was_told_to_stop(self) -> bool:
        """Tell whether the loop ended because of a signal, not because Valkey went away."""
        return self._shutdown_requested_date is not None


def work(settings: Settings) -> None:
    """Run jobs until the process is told to stop; a job that runs is finished first."""
    logs.configure(settings.log_level)
    prepare(settings)
    name = f"worker.{socket.gethostname()}.{os.getpid()}"
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    alive = threading.Thread(target=_note_alive, args=(name, "worker", stop), daemon=True)
    alive.start()
    logging.getLogger("rq.worker").addFilter(_say_outage_in_a_line)
    has_said = False
    gc.collect()
    gc.freeze()
    while not stop.is_set():
        try:
            if _work_until_valkey_fails(f"{name}.{new_id().hex[-6:]}"):
                break
            has_said = False
        except StopRequested:
            break
        except (RedisError, OSError, SQLAlchemyError, psycopg.Error) as error:
            if not has_said:
                log.warning("worker.waits", reason=str(error).splitlines()[0])
            has_said = True
        stop.wait(RECONNECT_SECONDS)
    stop.set()
    alive.join(timeout=2)


def _say_outage_in_a_line(record: logging.LogRecord) -> bool:
    """Spare the log RQ's trace of a Valkey that went away; it is waited for."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RedisError):
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args, record.exc_info = "worker.valkey_unreachable: %s", (str(error),), None
    return True


def _work_until_valkey_fails(name: str) -> bool:
    """Run jobs; return whether the process was told to stop. Raises RedisError."""
    connection = _process["redis"]
    left = bury_the_dead(connection)
    if left and (
        count := _when_database_answers(
            lambda session: commands.put_back(session=session, job_ids=left, at=_process["clock"]()),
        )
    ):
        log.warning("worker.puts_back_jobs_of_the_dead", count=count)
    queues = [Queue(queue, connection=connection, serializer=JSONSerializer) for queue in QUEUES]
    worker = _Worker(queues, connection=connection, serializer=JSONSerializer, name=name)
    worker.log_result_lifespan = False
    # By turns: a workspace that brings a hundred files holds up nobody's letters, holds or new workspace.
    worker.work(logging_level="WARNING", with_scheduler=False, dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
    return worker.was_told_to_stop


def tick(settings: Settings) -> None:
    """Be the clock: deliver due jobs, put back those that died; a lock for each sweep keeps two clocks apart."""
    logs.configure(settings.log_level)
    prepare(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    name = f"clock.{socket.gethostname()}.{os.getpid()}"
    planned = float("-inf")
    sealing = threading.Thread(target=_keep_trails, args=(settings, stop), daemon=True)
    sealing.start()
    while not stop.is_set():
        try:
            sweep_once(name)
            # Planning may wait for a workspace that is being removed; whether it does or fails, deliveries go on.
            if time.monotonic() - planned >= PLAN_SECONDS:
                planned = time.monotonic()
                plan_backups(settings)
        except (SQLAlchemyError, psycopg.Error, RedisError, OSError) as error:
            log.warning("clock.waits", reason=str(error).splitlines()[0])
        _touch_heartbeat()
        stop.wait(TICK_SECONDS)
    sealing.join(timeout=2)


def plan_backups(settings: Settings) -> int:
    """Queue what tonight's backups lack and return how many; queue erasures, forget old exports. Of two clocks one."""
    with _process["database"].platform() as session:
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": PLAN_LOCK}):
            return 0
        at = _process["clock"]()
        exports.forget(session=session, at=at)
        erasures.forget(session=session, at=at)
        erasures.plan(session=session, at=at)
        if settings.backup_hour < 0:
            return 0
        return backups.plan(
            session=session,
            actor=Actor.system("clock"),
            at=at,
            hour=settings.backup_hour,
            new_id=_process["new_id"],
        )


def _keep_trails(settings: Settings, stop: threading.Event) -> None:
    """Seal every trail, off the way of the acts, at most a tenth of the time; what fails is tried again."""
    ring, cleared = new_ring(settings), -CLEAR_SECONDS
    while not stop.is_set():
        engine = owner_engine(settings.database_url, pool_size=1)
        began = time.monotonic()
        try:
            # A connection for each round: its caches grow with every schema that it touches.
            sealer = Sealer(engine, ring, utc_now, tell=tell_event)
            sealer.run()
            if settings.audit_keep_days and began - cleared >= CLEAR_SECONDS:
                sealer.clear(timedelta(days=settings.audit_keep_days))
                cleared = began
        except Exception as error:
            # Whatever one round meets, the trails are sealed in the next.
            log.warning("audit.sealer_waits", reason=str(error).partition("\n")[0], exc_info=not is_outage(error))
        finally:
            engine.dispose()
        stop.wait(max(SEAL_SECONDS, 9 * (time.monotonic() - began)))


def sweep_once(name: str = "clock") -> int:
    """Deliver what is due and return how much it was; a second clock that comes at the same time does nothing."""
    at = _process["clock"]()
    with _process["database"].platform() as session:
        # For the transaction only: a lock of the session would not survive a pooler.
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": CLOCK_LOCK}):
            return 0
        commands.note_alive(session=session, name=name, kind="clock", at=at)
        commands.put_back_silent(session=session, silence=_process["silence"], at=at)
        due = commands.sweep(session=session, at=at)
    return Courier(_process["redis"]).deliver_missing(due)


def _touch_heartbeat() -> None:
    """Leave a sign of life for the container's health check: the process is well, also while the database is away."""
    if path := _process["settings"].heartbeat_file:
        Path(path).touch()


def _note_alive(name: str, kind: Any, stop: threading.Event) -> None:
    while True:
        try:
            with _process["database"].platform() as session:
                commands.note_alive(session=session, name=name, kind=kind, at=utc_now())
        except (SQLAlchemyError, psycopg.Error) as error:
            log.warning("worker.database_unreachable", reason=str(error).splitlines()[0])
        _touch_heartbeat()
        if stop.wait(timedelta(seconds=2).total_seconds()):
            return
