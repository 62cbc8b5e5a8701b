"""Make, change and remove policy stores."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from tenants.office.policies import queries
from tenants.office.policies.keeping import EVERY, FORGET
from tenants.office.policies.models import PolicyStore
from tenants.office.policies.queries import StoreView
from tenants.office.policies.rules import RESERVED, SLUG, STORES_MAX, WORKSPACE
from webapp.audit.commands import record
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound
from webapp.tenancy import commands as tenancy

NAME_MAX = 100
DAYS_MAX = 366
PERCENT_MAX = 100


class TooManyStores(Conflict):
    """The workspace has as many stores as it may."""

    code = "too_many_stores"
    message = N_("A workspace has at most %(most)d policy stores. Remove one that nothing asks any more.")


class SlugTaken(Conflict):
    """Another store has this short name."""

    code = "store_slug_taken"
    message = N_("There is a policy store “%(slug)s” already. Choose another short name.")


class OwnStore(Conflict):
    """The reserved store stays, and knows the workspace's own members alone."""

    code = "own_store"
    message = N_(
        "This store decides over the workspace itself: it cannot be removed, and it has no entities of its own."
    )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """What can be chosen of a store; percent of its decisions that are recorded, days that records are kept."""

    name: str
    four_eyes: bool = False
    log_percent: int = 100
    log_days: int = 30


def create_store(
    *, session: Session, actor: Actor, at: datetime, slug: str, settings: StoreSettings, job_id: UUID
) -> StoreView:
    """Make an empty store; with the first one begins the job that forgets recorded decisions.

    Raises Invalid (slug, name, log_percent, log_days), SlugTaken, TooManyStores.
    """
    errors = [*_wrong(settings)]
    if not SLUG.fullmatch(slug):
        message = N_("Write a short name of small letters, digits and hyphens that begins with a letter.")
        errors.append(FieldError("slug", "slug", message))
    elif slug in RESERVED:
        message = N_("“%(slug)s” stands in the address of another page already. Choose another short name.")
        errors.append(FieldError("slug", "reserved", message, {"slug": slug}))
    if errors:
        raise Invalid(errors=tuple(errors))
    if queries.store(session=session, slug=slug) is not None:
        raise SlugTaken(slug=slug)
    others = session.scalars(select(PolicyStore.slug).limit(STORES_MAX + 1)).all()
    if len(set(others) - {WORKSPACE}) >= STORES_MAX:
        raise TooManyStores(most=STORES_MAX)
    if not others:
        enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=FORGET, arguments={}, delay=EVERY)
    session.execute(
        insert(PolicyStore).values(
            slug=slug,
            name=settings.name.strip(),
            four_eyes=settings.four_eyes,
            log_percent=settings.log_percent,
            log_days=settings.log_days,
            created_at=at,
            created_by=actor.person_id,
        )
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.created",
        object_type="policy_store",
        object_id=slug,
        difference={"name": (None, settings.name.strip()), "four_eyes": (None, settings.four_eyes)},
    )
    return found_store(session=session, slug=slug)


def make_workspace_store(*, session: Session, actor: Actor, at: datetime) -> None:
    """Make the row of the reserved store unless it is there; the job that forgets begins with the first store."""
    others = session.scalar(select(func.count()).select_from(PolicyStore)) or 0
    values = {"slug": WORKSPACE, "name": queries.UNMADE.name, "created_at": at, "created_by": actor.person_id}
    query = upsert(PolicyStore).values(**values).on_conflict_do_nothing(index_elements=["slug"])
    if session.execute(query.returning(PolicyStore.id)).first() is None:
        return
    if not others:
        # The store is made once and stays, so its job has one name for ever.
        job_id = uuid5(bound_tenant(session).id, FORGET)
        enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=FORGET, arguments={}, delay=EVERY)
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.created",
        object_type="policy_store",
        object_id=WORKSPACE,
    )


def decide_anew(*, session: Session, slug: str) -> None:
    """Let every process read the store again with its next request."""
    tenant = bound_tenant(session)
    raise_revision = tenancy.raise_access_revision if slug == WORKSPACE else tenancy.raise_stores_revision
    with on_platform(session):
        raise_revision(session=session, tenant_id=tenant.id)


def change_store(*, session: Session, actor: Actor, at: datetime, slug: str, settings: StoreSettings) -> StoreView:
    """Change name and settings of a store; the reserved one keeps its name.

    Raises NotFound, Invalid (name, log_percent, log_days).
    """
    if slug == WORKSPACE:
        make_workspace_store(session=session, actor=actor, at=at)
        settings = replace(settings, name=queries.UNMADE.name)
    errors = _wrong(settings)
    if errors:
        raise Invalid(errors=tuple(errors))
    before = found_store(session=session, slug=slug, lock=True)
    values = {
        "name": settings.name.strip(),
        "four_eyes": settings.four_eyes,
        "log_percent": settings.log_percent,
        "log_days": settings.log_days,
    }
    changed = {name: (getattr(before, name), value) for name, value in values.items() if getattr(before, name) != value}
    if changed:
        session.execute(
            update(PolicyStore).where(PolicyStore.id == before.id).values(**values, revision=PolicyStore.revision + 1)
        )
        record(
            session=session,
            actor=actor,
            at=at,
            action="policy_store.changed",
            object_type="policy_store",
            object_id=slug,
            difference=changed,
        )
    if changed:
        decide_anew(session=session, slug=slug)
    return found_store(session=session, slug=slug)


def remove_store(*, session: Session, actor: Actor, at: datetime, slug: str) -> None:
    """Remove a store with its versions, entities and recorded decisions.

    Raises NotFound, OwnStore.
    """
    if slug == WORKSPACE:
        raise OwnStore
    store = found_store(session=session, slug=slug, lock=True)
    session.execute(delete(PolicyStore).where(PolicyStore.id == store.id))
    decide_anew(session=session, slug=slug)
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.removed",
        object_type="policy_store",
        object_id=slug,
        difference={"name": (store.name, None)},
    )


def note_reading(*, session: Session, actor: Actor, at: datetime, store: StoreView, version: int | None = None) -> None:
    """Write into the trail that somebody looked at a store, or at the policies of one version of it."""
    if version or store.active or store.draft:
        record(
            session=session,
            actor=actor,
            at=at,
            action="policy_store.read",
            object_type="policy_store",
            object_id=store.slug,
            difference={"version": (None, version)} if version else {},
        )


def found_store(*, session: Session, slug: str, lock: bool = False) -> StoreView:
    """Return a store, for others to wait when it is about to be changed; raises NotFound."""
    if lock:
        session.execute(select(PolicyStore.id).where(PolicyStore.slug == slug).with_for_update())
    store = queries.store(session=session, slug=slug)
    if store is None:
        raise NotFound
    return store


def _wrong(settings: StoreSettings) -> list[FieldError]:
    errors = []
    if not 1 <= len(settings.name.strip()) <= NAME_MAX:
        errors.append(FieldError("name", "length", N_("Give the store a name of at most 100 characters.")))
    if not 0 <= settings.log_percent <= PERCENT_MAX:
        errors.append(FieldError("log_percent", "range", N_("Between 0 and 100 percent of decisions are recorded.")))
    if not 1 <= settings.log_days <= DAYS_MAX:
        errors.append(FieldError("log_days", "range", N_("Recorded decisions are kept 1 to 366 days.")))
    return errors
