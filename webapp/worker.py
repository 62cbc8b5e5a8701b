"""The worker: the one list of the kinds of jobs, and the loop that runs them."""

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
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tenants.money.holds import jobs as hold_jobs
from tenants.money.imports import jobs as import_jobs
from tenants.money.imports import learning
from tenants.money.ledger import news
from tenants.office.policies import jobs as policy_jobs
from webapp.backups import jobs as backup_jobs
from webapp.identity import jobs as identity_jobs
from webapp.jobs import commands
from webapp.jobs.blame import is_innocent, is_outage, lacks_room
from webapp.jobs.context import Handler, JobCancelled, JobContext, TryLater
from webapp.jobs.delivery import QUEUES, Courier, connect
from webapp.jobs.silence import Silence
from webapp.jobs.succession import bury_the_dead
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import Database, app_url
from webapp.kernel.ids import new_id, new_secret
from webapp.keys import jobs as key_jobs
from webapp.mail import jobs as mail_jobs
from webapp.settings import Settings
from webapp.tenancy import jobs as tenancy_jobs
from webapp.web import logs, telemetry

BEAT_SECONDS = 3.0
RECONNECT_SECONDS = 0.3
OUTAGE_SECONDS_MAX = 60
"""So long a worker waits for the database, with a job in its hands, before it leaves the job to the sweep."""
FULL_DELAY, FULL_DELAY_MAX = timedelta(seconds=30), timedelta(minutes=10)
"""A job that a full disk stopped is tried again so long after, as often as it takes: somebody has to make room.

The delay is twice the one before, until it is the longer of these.
"""

T = TypeVar("T")
log = structlog.get_logger()
process: dict[str, Any] = {}
"""The connections and services that this process opened for itself."""


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
    process.update(services | overrides, redis=redis)
    process["database"].keys = new_ring(settings)
    process["tracer"] = telemetry.install(settings, service="comptoir-worker", engine=process["database"].engine)
    news.subscribe(learning.NAME, learning.learn_from_changes)


def release() -> None:
    """Close the connections that this process opened for its jobs."""
    if process:
        process["database"].close()
        process["redis"].close()
    process.clear()


def perform(job_id: str) -> None:
    """Run one delivered job: claim it, run its code, note how it ended. The tenant is bound per transaction only."""
    clock = process["clock"]
    claim = _when_database_answers(
        lambda session: commands.claim(session=session, job_id=UUID(job_id), at=clock()),
    )
    if claim is None:
        return
    context = JobContext(
        claim,
        *(process[name] for name in ("settings", "database", "clock", "new_id", "new_secret", "after_commit")),
    )
    tenant = str(claim.tenant_id or "")
    with structlog.contextvars.bound_contextvars(job_id=job_id, kind=claim.kind, tenant=tenant):
        began = time.perf_counter()
        about = {"job.id": job_id, "job.kind": claim.kind, "job.attempt": str(claim.attempts), "tenant": tenant}
        with telemetry.span(process["tracer"], f"job {claim.kind}", parent=claim.trace, **about) as told:
            outcome = told["job.outcome"] = _run(context)
            if outcome in {"failed", "parked"}:
                told["error"] = outcome
        log.info("job", outcome=outcome, milliseconds=round((time.perf_counter() - began) * 1000, 1))


def _run(context: JobContext) -> str:
    """Run a claimed job's code beside its pulse and note on its row how it ended; return that."""
    clock, claim = process["clock"], context.claim
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
    database: Database = process["database"]
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
    connection = process["redis"]
    left = bury_the_dead(connection)
    if left and (
        count := _when_database_answers(
            lambda session: commands.put_back(session=session, job_ids=left, at=process["clock"]()),
        )
    ):
        log.warning("worker.puts_back_jobs_of_the_dead", count=count)
    queues = [Queue(queue, connection=connection, serializer=JSONSerializer) for queue in QUEUES]
    worker = _Worker(queues, connection=connection, serializer=JSONSerializer, name=name)
    worker.log_result_lifespan = False
    # By turns: a workspace that brings a hundred files holds up nobody's letters, holds or new workspace.
    worker.work(logging_level="WARNING", with_scheduler=False, dequeue_strategy=DequeueStrategy.ROUND_ROBIN)
    return worker.was_told_to_stop


def touch_heartbeat() -> None:
    """Leave a sign of life for the container's health check: the process is well, also while the database is away."""
    if path := process["settings"].heartbeat_file:
        Path(path).touch()


def _note_alive(name: str, kind: Any, stop: threading.Event) -> None:
    while True:
        try:
            with process["database"].platform() as session:
                commands.note_alive(session=session, name=name, kind=kind, at=utc_now())
        except (SQLAlchemyError, psycopg.Error) as error:
            log.warning("worker.database_unreachable", reason=str(error).splitlines()[0])
        touch_heartbeat()
        if stop.wait(timedelta(seconds=2).total_seconds()):
            return
