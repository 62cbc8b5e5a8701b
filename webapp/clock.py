"""The clock: delivers what is due, plans the night's backups, seals the trails."""

import os
import signal
import socket
import threading
import time
from datetime import timedelta

import psycopg
import structlog
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from webapp.audit.sealer import Sealer, tell_event
from webapp.backups import commands as backups
from webapp.backups import erasures, exports
from webapp.jobs import commands
from webapp.jobs.blame import is_outage
from webapp.jobs.delivery import Courier
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import owner_engine
from webapp.settings import Settings
from webapp.web import logs
from webapp.worker import prepare, process, touch_heartbeat

TICK_SECONDS = 1.0
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

log = structlog.get_logger()


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
        touch_heartbeat()
        stop.wait(TICK_SECONDS)
    sealing.join(timeout=2)


def plan_backups(settings: Settings) -> int:
    """Queue what tonight's backups lack and return how many; queue erasures, forget old exports. Of two clocks one."""
    with process["database"].platform() as session:
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": PLAN_LOCK}):
            return 0
        at = process["clock"]()
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
            new_id=process["new_id"],
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
    at = process["clock"]()
    with process["database"].platform() as session:
        # For the transaction only: a lock of the session would not survive a pooler.
        if not session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": CLOCK_LOCK}):
            return 0
        commands.note_alive(session=session, name=name, kind="clock", at=at)
        commands.put_back_silent(session=session, silence=process["silence"], at=at)
        due = commands.sweep(session=session, at=at)
    return Courier(process["redis"]).deliver_missing(due)
