"""The demonstration workspace of the first start."""

from tenants.demo.certification import ensure_certification
from tenants.demo.commands import tell_story
from tenants.money.accounts.queries import accounts_count
from webapp.access.permissions import Role
from webapp.identity import queries as people
from webapp.identity.people import add_person
from webapp.kernel.actor import Actor
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import new_ring
from webapp.kernel.db import Database, app_url, owner_engine
from webapp.kernel.ids import new_id
from webapp.settings import Settings
from webapp.tenancy import commands, queries
from webapp.tenancy.provisioning import create_tenant

SLUG = "demo"
MEMBERS = (
    ("owner@demo.example", "Camille Rivage", Role.OWNER),
    ("accountant@demo.example", "Nadia Benali", Role.ACCOUNTANT),
    ("auditor@demo.example", "Paul Girard", Role.AUDITOR),
)


def ensure_demo(settings: Settings) -> None:
    """Make the workspace `demo` with its people and 24 months of books, or finish one that was stopped half-way."""
    at, actor = utc_now(), Actor.system("first start", via="cli")
    database = Database(app_url(settings.database_url, settings.secret_key), pool_size=1)
    database.keys = new_ring(settings)
    try:
        with database.platform() as session:
            found = queries.tenant_by_slug(session=session, slug=SLUG)
        if found is None:
            engine = owner_engine(settings.database_url)
            tenant = create_tenant(
                engine,
                tenant_id=new_id(),
                slug=SLUG,
                name="Atelier Rivage",
                base_currency="EUR",
                time_zone="Europe/Paris",
                at=at,
                is_demo=True,
            )
            engine.dispose()
        else:
            tenant = found.ref
        with database.platform() as session:
            for email, name, role in MEMBERS:
                person = people.person_by_email(session=session, email=email)
                person_id = (
                    person.id
                    if person
                    else add_person(
                        session=session,
                        actor=actor,
                        at=at,
                        person_id=new_id(),
                        email=email,
                        name=name,
                        password=None,
                    )
                )
                commands.add_member(
                    session=session, actor=actor, at=at, tenant_id=tenant.id, person_id=person_id, role=role
                )
        with database.tenant(tenant) as session:
            if accounts_count(session=session) == 0:
                tell_story(session=session, actor=actor, at=at, today=at.date())
            ensure_certification(session=session, actor=actor, at=at, job_id=new_id())
    finally:
        database.close()
