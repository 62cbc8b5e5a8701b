"""Note what becomes of a backup, on a transaction bound to the platform."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.backups.models import Backup
from webapp.kernel.actor import Actor

ERROR_LENGTH_MAX = 500


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
    changed: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(Backup).where(Backup.id == backup_id).values(**values, ended_at=None, error=None)
    )
    if changed.rowcount == 0:
        session.execute(insert(Backup).values(id=backup_id, **values))
    del actor


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
) -> None:
    """Note that a backup is written: its size, time, rows, and the digests of the books and of the manifest."""
    session.execute(
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
    record(
        session=session,
        actor=actor,
        at=at,
        action="backup.taken",
        object_type="tenant",
        object_id=tenant_id,
        difference={"backup": (None, manifest), "rows": (None, rows_count)},
    )


def fail(*, session: Session, at: datetime, backup_id: UUID, error: str) -> None:
    """Note why a backup was not written."""
    session.execute(
        update(Backup)
        .where(Backup.id == backup_id)
        .values(state="failed", ended_at=at, error=error.splitlines()[0][:ERROR_LENGTH_MAX] if error else "")
    )


def note_deleted(*, session: Session, at: datetime, backup_id: UUID) -> None:
    """Note that the time of a file was over and that it is gone."""
    session.execute(update(Backup).where(Backup.id == backup_id).values(state="deleted", ended_at=at))
