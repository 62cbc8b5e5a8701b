"""What an operator looks at: workspaces, jobs and processes of the whole installation."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.jobs import queries as jobs_of
from webapp.jobs.queries import JobView
from webapp.tenancy import queries as tenancy
from webapp.tenancy.fitness import unfit_counts
from webapp.tenancy.schema import platform_revisions, tenant_revisions

ALIVE_WITHIN = timedelta(seconds=15)
QUEUES = ("default", "imports", "mail")
STATES = ("queued", "running", "parked")
_REVISIONS = """
    SELECT (SELECT revision FROM platform.schema_revision),
        EXISTS (SELECT FROM platform.tenant WHERE schema_revision = ANY(:waiting))
"""
_SERVERS = """
    SELECT current_setting('server_version'), current_setting('archive_mode') <> 'off',
        (SELECT last_archived_time FROM pg_stat_archiver)
"""


@dataclass(frozen=True, slots=True)
class Health:
    """The installation at a glance."""

    worker: bool
    clock: bool
    waiting: int
    """Jobs that could run now, or are tried again soon."""
    planned: int
    """Jobs whose time has not come."""
    running: int
    parked: int


def health(*, session: Session, at: datetime) -> Health:
    """Return whether worker and clock live, and how many jobs wait, are planned for later, run and are parked."""
    counted = jobs_of.counts(session=session)
    planned = sum(jobs_of.planned_counts(session=session, at=at).values())

    def total(state: str) -> int:
        return sum(number for (_queue, its_state), number in counted.items() if its_state == state)

    return Health(
        worker=jobs_of.alive(session=session, kind="worker", at=at, within=ALIVE_WITHIN),
        clock=jobs_of.alive(session=session, kind="clock", at=at, within=ALIVE_WITHIN),
        waiting=max(0, total("queued") - planned),
        planned=planned,
        running=total("running"),
        parked=total("parked"),
    )


def slugs_of(*, session: Session, jobs: list[JobView]) -> dict[UUID, str]:
    """Return the short names of the workspaces that these jobs work for, by tenant id."""
    ids = {job.tenant_id for job in jobs if job.tenant_id is not None}
    found = (tenancy.tenant_by_id(session=session, tenant_id=tenant_id) for tenant_id in ids)
    return {tenant.id: tenant.slug for tenant in found if tenant is not None}


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue: jobs that could run, run and are parked; how long the oldest that could run has waited, in seconds."""

    name: str
    waiting: int
    running: int
    parked: int
    oldest_seconds: float


def queues(*, session: Session, at: datetime) -> list[QueueView]:
    """Return the queues by name."""
    counted, waits = jobs_of.counts(session=session), jobs_of.oldest_waits(session=session, at=at)
    for queue, planned in jobs_of.planned_counts(session=session, at=at).items():
        counted[queue, "queued"] = max(0, counted.get((queue, "queued"), 0) - planned)
    return [
        QueueView(name, *(counted.get((name, state), 0) for state in STATES), waits.get(name, 0.0)) for name in QUEUES
    ]


@dataclass(frozen=True, slots=True)
class Schemas:
    """The platform's revision; what must be migrated before this version serves it; whether something may go yet."""

    revision: str
    is_behind: bool
    workspaces_behind: int
    waits: bool
    """A migration that takes away waits for `comptoir migrate --contract`."""


def schemas(*, session: Session) -> Schemas:
    """Return how the schemas fit this version: two questions, however many workspaces there are."""
    behind, platform = unfit_counts(session)
    # A revision that this version does not know is of a newer one that served here: nothing waits for that.
    here, others = session.execute(text(_REVISIONS), {"waiting": tenant_revisions().suits()[:-1]}).one()
    waits = not behind and not platform and (here in platform_revisions().suits()[:-1] or others)
    return Schemas(here, bool(platform), behind, bool(waits))


@dataclass(frozen=True, slots=True)
class Servers:
    """The version of PostgreSQL, and when it last archived a change (UTC) where it archives at all."""

    postgresql: str
    archives: bool
    archived_at: datetime | None


def servers(*, session: Session) -> Servers:
    """Ask PostgreSQL for what it is."""
    return Servers(*session.execute(text(_SERVERS)).one())
