"""What there is of backups, on a transaction bound to the platform."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.orm import Session

from webapp.backups.models import Backup

LIST_MAX = 500
HOLDINGS_MAX = 100_000
"""So far a workspace's rows are counted to tell people what it holds."""
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


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a workspace holds: accounts, entries, imported statements, events of its trail.

    Each is counted to HOLDINGS_MAX; one more than that says that there are more.
    """

    accounts: int
    entries: int
    statements: int
    events: int


_HOLDINGS = """
    SELECT (SELECT count(*) FROM (SELECT FROM account LIMIT :most) AS counted),
        (SELECT count(*) FROM (SELECT FROM entry LIMIT :most) AS counted),
        (SELECT count(*) FROM (SELECT FROM import LIMIT :most) AS counted),
        (SELECT count(*) FROM (SELECT FROM audit_event LIMIT :most) AS counted)
"""


def holdings(*, session: Session) -> Holdings:
    """Count what the bound workspace holds, in a time that does not grow with it."""
    return Holdings(*session.execute(text(_HOLDINGS), {"most": HOLDINGS_MAX + 1}).one())


@dataclass(frozen=True, slots=True)
class Kept:
    """A workspace with its newest backup that is whole, and with what became of the last try."""

    tenant_id: UUID
    slug: str
    name: str
    newest_at: datetime | None
    size_bytes: int | None
    seconds: float | None
    rows_count: int | None
    state: str | None
    error: str | None
    is_late: bool
    progress_done: int | None
    progress_total: int | None


_NEWEST = """
    LEFT JOIN LATERAL (SELECT * FROM platform.backup b WHERE b.tenant_id = t.id AND b.state = 'done'
        ORDER BY b.began_at DESC LIMIT 1) AS n ON true
"""


def kept(*, session: Session, at: datetime, after_slug: str = "", limit: int = LIST_MAX) -> list[Kept]:
    """Return workspaces by their short names, with the age of what is kept of each."""
    query = f"""
        SELECT t.id, t.slug, t.name, n.began_at, n.size_bytes, n.seconds, n.rows_count, l.state, l.error,
            coalesce(n.began_at, t.created_at) < :late, j.progress_done, j.progress_total
        FROM platform.tenant t {_NEWEST}
            LEFT JOIN LATERAL (SELECT * FROM platform.backup b WHERE b.tenant_id = t.id
                ORDER BY b.began_at DESC LIMIT 1) AS l ON true
            LEFT JOIN LATERAL (SELECT progress_done, progress_total FROM platform.job j
                WHERE j.id = l.id AND j.state = 'running' AND l.state = 'running') AS j ON true
        WHERE t.slug > :after ORDER BY t.slug LIMIT :limit
    """  # noqa: S608 - a constant of ours
    values = {"late": at - LATE_AFTER, "after": after_slug, "limit": limit}
    return [Kept(*row) for row in session.execute(text(query), values)]


@dataclass(frozen=True, slots=True)
class Ages:
    """How old backups are: the oldest of the workspaces' newest, in seconds; how many are late; failures so far."""

    oldest_seconds: float
    late: int
    failures: int


def ages(*, session: Session, at: datetime) -> Ages:
    """Return what the metrics tell; a workspace without a backup counts from when it was made."""
    query = f"""
        SELECT extract(epoch FROM max(:at - coalesce(n.began_at, t.created_at)))::float,
            count(*) FILTER (WHERE coalesce(n.began_at, t.created_at) < :late),
            (SELECT coalesce(sum(failures), 0) FROM platform.backup WHERE failures > 0)
        FROM platform.tenant t {_NEWEST}
    """  # noqa: S608 - a constant of ours
    row = session.execute(text(query), {"at": at, "late": at - LATE_AFTER}).one()
    return Ages(max(row[0] or 0.0, 0.0), row[1], int(row[2]))


def without(
    *, session: Session, night: date, late: datetime, only_late: bool, limit: int = LIST_MAX
) -> list[tuple[UUID, str]]:
    """Return workspaces that have no backup of a night, neither done nor asked for; only those that are late, if so."""
    query = f"""
        SELECT t.id, t.slug FROM platform.tenant t {_NEWEST}
        WHERE NOT EXISTS (SELECT FROM platform.backup b WHERE b.tenant_id = t.id AND b.night = :night)
            AND (NOT :only_late OR coalesce(n.began_at, t.created_at) < :late)
        ORDER BY t.id LIMIT :limit
    """  # noqa: S608 - a constant of ours
    values = {"night": night, "late": late, "only_late": only_late, "limit": limit}
    return [(row[0], row[1]) for row in session.execute(text(query), values)]
