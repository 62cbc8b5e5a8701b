"""Note what becomes of a backup, on a transaction bound to the platform."""

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.backups import queries
from webapp.backups.models import Backup
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor

TAKE = "backups.take"
ERROR_LENGTH_MAX = 500
SPREAD = timedelta(hours=4)
"""Over so long a time the backups of a night are spread."""


def begin(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    backup_id: UUID,
    tenant_id: UUID,
    slug: str,
    kind: str,
    file_name: str,
) -> None:
    """Note that a backup is under way; a second begin of the same one starts it anew."""
    values = {"tenant_id": tenant_id, "slug": slug, "kind": kind, "state": "running", "began_at": at}
    values["file_name"] = file_name
    del actor
    changed: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(Backup).where(Backup.id == backup_id).values(**values, ended_at=None, error=None)
    )
    if changed.rowcount == 0:
        session.execute(insert(Backup).values(id=backup_id, **values))


def finish(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    backup_id: UUID,
    tenant_id: UUID,
    size_bytes: int,
    seconds: float,
    rows_count: int,
    digest: str,
    manifest: str,
) -> bool:
    """Note that a backup is written: its size, time, rows, and the digests of the books and of the manifest.

    Returns whether it is noted: not where its workspace was erased meanwhile, and the note with it.
    """
    changed: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(Backup)
        .where(Backup.id == backup_id)
        .values(
            state="done",
            ended_at=at,
            size_bytes=size_bytes,
            seconds=seconds,
            rows_count=rows_count,
            digest=digest,
            manifest=manifest,
        )
    )
    if changed.rowcount == 0:
        return False
    record(
        session=session,
        actor=actor,
        at=at,
        action="backup.taken",
        object_type="tenant",
        object_id=tenant_id,
        difference={"backup": (None, manifest), "rows": (None, rows_count)},
    )
    return True


def forget(*, session: Session, backup_id: UUID) -> None:
    """Drop the note of a backup whose workspace is gone."""
    session.execute(delete(Backup).where(Backup.id == backup_id))


def fail(*, session: Session, at: datetime, backup_id: UUID, error: str) -> None:
    """Note why a backup was not written."""
    session.execute(
        update(Backup)
        .where(Backup.id == backup_id)
        .values(
            state="failed",
            failures=Backup.failures + 1,
            ended_at=at,
            error=error.splitlines()[0][:ERROR_LENGTH_MAX] if error else "",
        )
    )


def note_deleted(*, session: Session, at: datetime, backup_id: UUID) -> None:
    """Note that the time of a file was over and that it is gone."""
    session.execute(update(Backup).where(Backup.id == backup_id).values(state="deleted", ended_at=at))


def plan(*, session: Session, actor: Actor, at: datetime, hour: int, new_id: Callable[[], UUID]) -> int:
    """Queue tonight's backup of workspaces that have none yet (at most 500 a call), spread over the night by their ids.

    Outside the night only what has missed one is made up for. Returns how many were queued.
    """
    night = at.replace(hour=hour, minute=0, second=0, microsecond=0)
    if night > at:
        night -= timedelta(days=1)
    is_night = at < night + SPREAD
    waiting = queries.without(session=session, night=night.date(), late=at - queries.LATE_AFTER, only_late=not is_night)
    for tenant_id, slug in waiting:
        backup_id = new_id()
        session.execute(
            insert(Backup).values(
                id=backup_id,
                tenant_id=tenant_id,
                slug=slug,
                kind="nightly",
                night=night.date(),
                state="queued",
                began_at=at,
            )
        )
        begins = night + SPREAD * (int.from_bytes(sha256(tenant_id.bytes).digest()[:4]) / 2**32)
        arguments = {"backup": str(backup_id), "tenant_id": str(tenant_id), "slug": slug, "kind": "nightly"}
        enqueue(
            session=session,
            actor=actor,
            at=at,
            job_id=backup_id,
            kind=TAKE,
            arguments=arguments,
            delay=max(begins - at, timedelta(0)),
        )
    return len(waiting)


def ask(*, session: Session, actor: Actor, at: datetime, job_id: UUID, tenant_id: UUID, slug: str) -> None:
    """Queue a backup of a workspace that somebody wants now."""
    record(session=session, actor=actor, at=at, action="backup.asked_for", object_type="tenant", object_id=tenant_id)
    values = {"id": job_id, "tenant_id": tenant_id, "slug": slug, "kind": "asked", "state": "queued", "began_at": at}
    session.execute(insert(Backup).values(values))
    arguments = {"backup": str(job_id), "tenant_id": str(tenant_id), "slug": slug, "kind": "asked"}
    enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=TAKE, arguments=arguments)
