"""Web says now and then that it is there and in which version: what it still uses is not taken away meanwhile."""

import os
import socket
import threading
from datetime import timedelta

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from webapp.jobs import commands
from webapp.kernel.clock import utc_now
from webapp.kernel.db import Database

log = structlog.get_logger()

EVERY = timedelta(seconds=15)
HEARD_WITHIN = timedelta(minutes=1)
"""A process that was not heard of for so long has ended."""


def tell_of_web(database: Database) -> None:
    """Keep this process's heartbeat as long as it lives, by a thread of its own."""
    threading.Thread(target=_tell, args=(database,), daemon=True, name="presence").start()


def _tell(database: Database) -> None:
    name, pause = f"web.{socket.gethostname()}.{os.getpid()}", threading.Event()
    while True:
        try:
            with database.platform() as session:
                commands.note_alive(session=session, name=name, kind="web", at=utc_now())
        except (SQLAlchemyError, psycopg.Error) as error:
            log.warning("web.database_unreachable", reason=str(error).splitlines()[0])
        pause.wait(EVERY.total_seconds())
