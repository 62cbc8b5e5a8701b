"""Background work of the workspace; on a transaction bound to it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.identity import queries as identity
from webapp.identity.queries import PersonView
from webapp.jobs import queries as jobs_of
from webapp.jobs.queries import JobView
from webapp.kernel.db import bound_tenant, on_platform


def jobs(
    *,
    session: Session,
    limit: int,
    state: str | None = None,
    before: tuple[datetime, UUID] | None = None,
) -> list[JobView]:
    """Return at most `limit` jobs, newest first, older than `before`, in one state if named."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return jobs_of.jobs(session=session, limit=limit, tenant_id=tenant.id, state=state, before=before)


def job(*, session: Session, job_id: UUID) -> JobView | None:
    """Return one job of the workspace; another's is none."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return jobs_of.job(session=session, job_id=job_id, tenant_id=tenant.id)


def people(*, session: Session, ids: set[UUID]) -> dict[UUID, PersonView]:
    """Return who started what, by id."""
    with on_platform(session):
        return identity.people(session=session, ids=ids)
