"""What there is of backups, on a transaction bound to the platform."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from webapp.backups.models import Backup

LIST_MAX = 500
LATE_AFTER = timedelta(hours=26)
"""A workspace whose newest backup is older than that has missed a night."""


@dataclass(frozen=True, slots=True)
class BackupView:
    """One backup; `digest` is of the books, `manifest` the name of the very file."""

    id: UUID
    tenant_id: UUID
    slug: str
    kind: str
    state: str
    began_at: datetime
    ended_at: datetime | None
    file_name: str
    size_bytes: int | None
    seconds: float | None
    rows_count: int | None
    digest: str | None
    manifest: str | None
    error: str | None


_ALL = tuple(getattr(Backup, name) for name in BackupView.__dataclass_fields__)


def backups(
    *,
    session: Session,
    slug: str = "",
    state: str = "",
    before: tuple[datetime, UUID] | None = None,
    limit: int = LIST_MAX,
) -> list[BackupView]:
    """Return backups, newest first, of one workspace if named."""
    query = select(*_ALL).order_by(Backup.began_at.desc(), Backup.id.desc()).limit(limit)
    if slug:
        query = query.where(Backup.slug == slug)
    if state:
        query = query.where(Backup.state == state)
    if before is not None:
        query = query.where(tuple_(Backup.began_at, Backup.id) < before)
    return [BackupView(*row) for row in session.execute(query)]


def over(*, session: Session, before: datetime, limit: int = LIST_MAX) -> list[BackupView]:
    """Return files whose time is over: each has a newer one of its workspace that is whole."""
    query = select(*_ALL).where(Backup.state == "done", Backup.began_at < before)
    newer = text(
        "EXISTS (SELECT FROM platform.backup n WHERE n.tenant_id = backup.tenant_id AND n.state = 'done'"
        " AND n.began_at > backup.began_at)"
    )
    rows = session.execute(query.where(newer).order_by(Backup.began_at).limit(limit))
    return [BackupView(*row) for row in rows]
