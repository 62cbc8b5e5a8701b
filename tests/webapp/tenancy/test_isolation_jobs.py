"""A job works in its own workspace, whatever the job before it did."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.pooler import database_of
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.stage import Stage
from webapp import worker
from webapp.jobs import commands
from webapp.jobs.context import JobContext
from webapp.kernel.actor import Actor
from webapp.kernel.db import Database, TenantRef
from webapp.tenancy import commands as tenancy
from webapp.tenancy.provisioning import remove_tenant
from webapp.web.state import KEY

ACTOR = Actor.system("probe")
FALLS = "falls"


@dataclass(slots=True)
class Bench:
    """A worker with one connection and one kind of job, which looks around."""

    stage: Stage
    database: Database
    seen: dict[UUID, list[str]] = field(default_factory=dict)

    def enqueue(self, tenant: TenantRef | None, **arguments: str) -> UUID:
        """Queue a job of a workspace, or of the platform."""
        unit = self.database.platform() if tenant is None else self.database.tenant(tenant)
        with unit as session:
            return commands.enqueue(
                session=session,
                actor=ACTOR,
                at=datetime.now(UTC),
                job_id=uuid4(),
                kind="probe",
                arguments=arguments,
            )

    def run(self, tenant: TenantRef | None, **arguments: str) -> list[str]:
        """Queue and run a job and return what it could see."""
        job_id = self.enqueue(tenant, **arguments)
        worker.perform(str(job_id))
        return self.seen.get(job_id, [])

    def look_around(self, context: JobContext) -> None:
        """Be the job: read with the binding, and try without."""
        found = self.seen.setdefault(context.claim.id, [])
        with context.begin() as session:
            found += session.scalars(text("SELECT current_user::text")).all()
            if context.claim.tenant_id is not None:
                found += session.scalars(text("SELECT note FROM entry")).all()
        try:
            with context.database.begin() as session:
                found += session.scalars(text("SELECT note FROM entry")).all()
                found.append("read without a binding")
        except DBAPIError:
            pass
        if FALLS in context.arguments:
            raise LookupError(FALLS)


@pytest.fixture
def bench(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """Prepare this process as a worker whose pool has two connections: the job's and its pulse's."""
    with database_of(stage.app, pool_size=2) as database:
        worker.prepare(stage.app.extensions[KEY].settings, database=database)
        made = Bench(stage, database)
        monkeypatch.setattr(worker, "handlers", lambda: {"probe": made.look_around})
        yield made
        worker.release()


def turns(bench: Bench) -> list[str]:
    """Run jobs of A, B and the platform in turn, some of which fall; return what one saw that it may not."""
    found = []
    a, b = bench.stage.a, bench.stage.b
    for nest, arguments in [
        (a, {}),
        (b, {}),
        (a, {FALLS: "1"}),
        (b, {}),
        (None, {}),
        (a, {}),
        (None, {FALLS: "1"}),
        (b, {}),
    ]:
        seen = bench.run(nest.workspace.ref if nest else None, **arguments)
        role = nest.workspace.ref.schema if nest else "comptoir_platform"
        own = {role, nest.canary} if nest else {role}
        if set(seen) != own:
            found.append(f"a job of {role} saw {set(seen) - own or 'nothing'}")
    return found


def test_a_job_does_not_inherit_the_workspace_of_the_job_before(bench: Bench):
    assert turns(bench) == []


def test_a_build_whose_jobs_keep_their_workspace_turns_red(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    kept: list[object] = []
    monkeypatch.setattr("webapp.jobs.context.kept", kept, raising=False)
    mutate(
        monkeypatch,
        JobContext.begin,
        "tenant = self.claim.tenant_id",
        "kept.append(self.claim.tenant_id); tenant = kept[0]",
    )
    assert turns(bench)


def test_a_job_of_a_removed_workspace_never_runs(bench: Bench, make_doomed: Callable[[], tuple[TenantRef, str]]):
    doomed, slug = make_doomed()
    job_id = bench.enqueue(doomed)
    remove_tenant(bench.stage.owner, slug=slug)
    worker.perform(str(job_id))
    assert bench.seen == {}


def test_a_job_of_a_suspended_workspace_waits(bench: Bench, make_doomed: Callable[[], tuple[TenantRef, str]]):
    doomed, slug = make_doomed()
    job_id = bench.enqueue(doomed)
    at = datetime.now(UTC)
    with bench.database.platform() as session:
        tenancy.set_suspended(session=session, actor=ACTOR, at=at, slug=slug, suspended=True)
    worker.perform(str(job_id))
    assert bench.seen == {}
    with bench.database.platform() as session:
        tenancy.set_suspended(session=session, actor=ACTOR, at=at, slug=slug, suspended=False)
    worker.perform(str(job_id))
    assert list(bench.seen) == [job_id]
