"""The work behind backups: one job for each workspace and night, with its progress."""

import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from webapp.backups import commands, shelf
from webapp.jobs.context import Handler, JobContext
from webapp.kernel.db import owner_engine
from webapp.kernel.errors import NotFound

BEAT_SECONDS = 1.0


def told(context: JobContext) -> Callable[[int, int], None]:
    """Return what says how far a job is, once a second at most."""
    last = float("-inf")

    def beat(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT_SECONDS:
            last = time.monotonic()
            context.beat(done=done, total=total)

    return beat


def take(context: JobContext) -> None:
    """Take a backup and let go of those whose time is over; a workspace that is gone meanwhile needs none."""
    asked, settings = context.arguments, context.settings
    engine = owner_engine(settings.database_url, pool_size=1)
    try:
        shelf.take_down(
            settings=settings,
            engine=engine,
            database=context.database,
            actor=context.actor,
            clock=context.clock,
            backup_id=UUID(asked["backup"]),
            tenant_id=UUID(asked["tenant_id"]),
            slug=asked["slug"],
            kind=asked["kind"],
            beat=told(context),
        )
    except NotFound:
        return
    finally:
        engine.dispose()
    at = context.clock()
    shelf.sweep(database=context.database, before=at - timedelta(days=settings.backup_keep_days), at=at)


HANDLERS: dict[str, Handler] = {commands.TAKE: take}
