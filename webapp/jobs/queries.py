"""Reads of jobs, on a transaction bound to the platform; newest first, always bounded."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from webapp.jobs.models import Heartbeat, Job


@dataclass(frozen=True, slots=True)
class JobView:
    """One job; progress counts what the job counts (rows, entries)."""

    id: UUID
    tenant_id: UUID | None
    kind: str
    queue: str
    state: str
    attempts: int
    created_at: datetime
    created_by: UUID
    started_at: datetime | None
    heartbeat_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    progress_done: int
    progress_total: int | None
    error: str | None
    available_at: datetime

    def is_planned(self, at: datetime) -> bool:
        """Tell whether its time has not come; one that failed and is tried again soon waits."""
        return self.state == "queued" and not self.attempts and self.available_at > at

    def seconds_left(self, at: datetime) -> int | None:
        """Estimate how long a running job still takes, in seconds."""
        if self.state != "running" or not self.started_at or not self.progress_total or not self.progress_done:
            return None
        spent = (at - self.started_at).total_seconds()
        return max(1, round(spent * (self.progress_total - self.progress_done) / self.progress_done))


_COLUMNS = tuple(getattr(Job, name) for name in JobView.__dataclass_fields__)


def job(*, session: Session, job_id: UUID, tenant_id: UUID | None = None) -> JobView | None:
    """Return one job, of one tenant if named."""
    query = select(*_COLUMNS).where(Job.id == job_id)
    if tenant_id is not None:
        query = query.where(Job.tenant_id == tenant_id)
    row = session.execute(query).first()
    return None if row is None else JobView(*row)


def jobs(
    *,
    session: Session,
    limit: int,
    tenant_id: UUID | None = None,
    state: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[JobView]:
    """Return at most `limit` jobs, newest first, older than `before`; of one tenant or of the whole installation."""
    query = select(*_COLUMNS).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
    if tenant_id is not None:
        query = query.where(Job.tenant_id == tenant_id)
    if state is not None:
        query = query.where(Job.state == state)
    if before is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < before)
    return [JobView(*row) for row in session.execute(query)]


def unfinished(*, session: Session, kinds: Collection[str]) -> list[JobView]:
    """Return the jobs of these kinds that wait or run, oldest first (at most 100)."""
    query = select(*_COLUMNS).where(Job.state.in_(["queued", "running"]), Job.kind.in_(kinds))
    return [JobView(*row) for row in session.execute(query.order_by(Job.created_at, Job.id).limit(100))]


def active_count(*, session: Session, tenant_id: UUID) -> int:
    """Return how many jobs of a tenant run or could; those that wait for their time are not counted."""
    query = select(func.count()).where(
        Job.tenant_id == tenant_id,
        Job.state.in_(["queued", "running"]),
        Job.available_at <= func.now(),
    )
    return session.scalar(query) or 0


def oldest_waits(*, session: Session, at: datetime) -> dict[str, float]:
    """Return how long the job that waits longest could have run, in seconds by queue; retries count from their time."""
    rows = session.execute(
        select(Job.queue, func.min(Job.available_at))
        .where(Job.state == "queued", Job.available_at <= at)
        .group_by(Job.queue),
    )
    return {row[0]: (at - row[1]).total_seconds() for row in rows}


def planned_counts(*, session: Session, at: datetime) -> dict[str, int]:
    """Return the number of jobs by queue whose time has not come, but for those that are tried again soon."""
    rows = session.execute(
        select(Job.queue, func.count())
        .where(Job.state == "queued", Job.attempts == 0, Job.available_at > at)
        .group_by(Job.queue)
    )
    return {row[0]: row[1] for row in rows}


def counts(*, session: Session) -> dict[tuple[str, str], int]:
    """Return the number of unfinished and parked jobs by (queue, state); queued are also those for a later time."""
    rows = session.execute(
        select(Job.queue, Job.state, func.count())
        .where(Job.state.in_(["queued", "running", "parked"]))
        .group_by(Job.queue, Job.state),
    )
    return {(row[0], row[1]): row[2] for row in rows}


def other_versions(*, session: Session, version: str, at: datetime, within: timedelta) -> list[str]:
    """Return the processes of other versions that were heard of within so long (at most 100), as `name (version)`."""
    query = (
        select(Heartbeat.name, Heartbeat.version)
        .where(Heartbeat.seen_at > at - within, Heartbeat.version != version)
        .order_by(Heartbeat.name)
        .limit(100)
    )
    return [f"{row[0]} ({row[1] or 'of an unknown version'})" for row in session.execute(query)]


def alive(*, session: Session, kind: str, at: datetime, within: timedelta) -> bool:
    """Tell whether a worker (or the clock) was seen within so long."""
    query = select(Heartbeat.name).where(Heartbeat.kind == kind, Heartbeat.seen_at > at - within).limit(1)
    return session.execute(query).first() is not None
