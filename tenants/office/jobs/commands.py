"""Cancel and retry background work, with a note in the workspace's trail."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.jobs import commands as jobs
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform


def cancel(*, session: Session, actor: Actor, at: datetime, job_id: UUID) -> None:
    """Stop a job: at once if it waits, at its next beat if it runs.

    Raises NotFound, JobOver.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        jobs.cancel(session=session, job_id=job_id, tenant_id=tenant.id, at=at)
    record(session=session, actor=actor, at=at, action="job.cancelled", object_type="job", object_id=job_id)


def retry(*, session: Session, actor: Actor, at: datetime, job_id: UUID) -> None:
    """Give a parked job three more attempts.

    Raises NotFound, JobOver.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        jobs.retry(session=session, job_id=job_id, tenant_id=tenant.id, at=at)
    record(session=session, actor=actor, at=at, action="job.retried", object_type="job", object_id=job_id)
