"""Make and remove workspaces: the acts that need the owner's sign-in to the database, so a job does them."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from webapp.access.permissions import Role
from webapp.audit.commands import record
from webapp.identity import queries as identity
from webapp.jobs.context import Handler, JobContext
from webapp.kernel.db import owner_engine
from webapp.kernel.errors import NotFound
from webapp.mail.commands import send_mail
from webapp.tenancy import commands, provisioning, queries, registry

STEPS = 2
"""What the progress counts: the schema, then the owner's place."""


@contextmanager
def _owner(context: JobContext) -> Iterator[Engine]:
    engine = owner_engine(context.settings.database_url, pool_size=1)
    try:
        yield engine
    finally:
        engine.dispose()


def create(context: JobContext) -> None:
    """Make the schema and the role, then let the owner in; a second run goes on where the first one died."""
    asked = context.arguments
    tenant_id, at = UUID(asked["tenant_id"]), context.clock()
    with context.database.platform() as session:
        there = queries.tenant_by_id(session=session, tenant_id=tenant_id)
    context.beat(done=0, total=STEPS)
    if there is None:
        with _owner(context) as engine:
            provisioning.create_tenant(
                engine,
                tenant_id=tenant_id,
                slug=asked["slug"],
                name=asked["name"],
                base_currency=asked["base_currency"],
                at=at,
            )
    context.beat(done=1, total=STEPS)
    with context.begin() as session:
        _let_in(context, session, tenant_id)
    context.beat(done=2, total=STEPS)


def _let_in(context: JobContext, session: Session, tenant_id: UUID) -> None:
    """Give the owner the place, or an invitation to it; do nothing when a run before did."""
    asked, at = context.arguments, context.clock()
    if queries.owners_count(session=session, tenant_id=tenant_id) or queries.open_invitations(
        session=session, tenant_id=tenant_id, at=at
    ):
        return
    record(
        session=session,
        actor=context.actor,
        at=at,
        action="tenant.created",
        object_type="tenant",
        object_id=tenant_id,
        difference={"slug": (None, asked["slug"]), "name": (None, asked["name"])},
    )
    owner = identity.person_by_email(session=session, email=asked["owner_email"])
    if owner is not None:
        commands.add_member(
            session=session, actor=context.actor, at=at, tenant_id=tenant_id, person_id=owner.id, role=Role.OWNER
        )
        return
    secret = context.new_secret()
    commands.invite(
        session=session,
        actor=context.actor,
        at=at,
        invitation_id=context.new_id(),
        tenant_id=tenant_id,
        email=asked["owner_email"],
        role=Role.OWNER,
        secret=secret,
    )
    send_mail(
        session=session,
        actor=context.actor,
        at=at,
        job_id=context.new_id(),
        to=asked["owner_email"],
        letter="invitation",
        language=asked["language"],
        values={"workspace": asked["name"], "invited_by": "", "link": asked["link_before"] + secret},
    )


def remove(context: JobContext) -> None:
    """Drop the schema, the role and every row that names the workspace; what is gone already is well."""
    slug, tenant_id = context.arguments["slug"], UUID(context.arguments["tenant_id"])
    with context.database.platform() as session:
        there = queries.tenant_by_slug(session=session, slug=slug)
    if there is None or there.id != tenant_id:
        return
    with _owner(context) as engine:
        try:
            provisioning.remove_tenant(engine, slug=slug)
        except NotFound:
            return
    with context.database.platform() as session:
        record(
            session=session,
            actor=context.actor,
            at=context.clock(),
            action="tenant.removed",
            object_type="tenant",
            object_id=tenant_id,
            difference={"slug": (slug, None)},
        )


HANDLERS: dict[str, Handler] = {registry.CREATE: create, registry.REMOVE: remove}
"""Kind to code; each is run again after a death."""
