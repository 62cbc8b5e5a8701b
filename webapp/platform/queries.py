"""What an operator looks at: workspaces, jobs and processes of the whole installation."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.jobs import queries as jobs_of
from webapp.jobs.queries import JobView
from webapp.tenancy import queries as tenancy

ALIVE_WITHIN = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Health:
    """The installation at a glance."""

    worker: bool
    clock: bool
    waiting: int
    running: int
    parked: int


def health(*, session: Session, at: datetime) -> Health:
    """Return whether worker and clock live, and how many jobs wait, run and are parked."""
    counted = jobs_of.counts(session=session)

    def total(state: str) -> int:
        return sum(number for (_queue, its_state), number in counted.items() if its_state == state)

    return Health(
        worker=jobs_of.alive(session=session, kind="worker", at=at, within=ALIVE_WITHIN),
        clock=jobs_of.alive(session=session, kind="clock", at=at, within=ALIVE_WITHIN),
        waiting=total("queued"),
        running=total("running"),
        parked=total("parked"),
    )


def slugs_of(*, session: Session, jobs: list[JobView]) -> dict[UUID, str]:
    """Return the short names of the workspaces that these jobs work for, by tenant id."""
    ids = {job.tenant_id for job in jobs if job.tenant_id is not None}
    found = (tenancy.tenant_by_id(session=session, tenant_id=tenant_id) for tenant_id in ids)
    return {tenant.id: tenant.slug for tenant in found if tenant is not None}
