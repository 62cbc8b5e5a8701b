"""Draft, activate, roll back and drop versions of a store's schema and policies."""

from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from tenants.office.policies import queries, workspace
from tenants.office.policies.commands import decide_anew, found_store, make_workspace_store
from tenants.office.policies.models import PolicyStore, PolicyVersion
from tenants.office.policies.point import Point
from tenants.office.policies.queries import StoreView, VersionView
from tenants.office.policies.rules import NOTE_CHARS_MAX, VERSIONS_MAX, WORKSPACE, State
from tenants.office.policies.shape import Misfit
from webapp.access.engine import FactsRefused, compile_policies
from webapp.access.product import schema_text
from webapp.audit.commands import record
from webapp.identity import queries as identity
from webapp.kernel.actor import Actor
from webapp.kernel.db import on_platform
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound, Stale, Word

PEOPLE = 2
"""So many stand behind an activation where four eyes are wanted."""
UNPLAYED: dict[str, None] = dict.fromkeys(("replay_job_id", "replay_asked_at", "replayed_at", "replay"))
"""What a replay found is of the texts that were asked: a draft that is written anew was not replayed."""


class NeedsOtherEyes(Conflict):
    """The store wants another person than the author to activate a draft."""

    code = "four_eyes"
    message = N_(
        "This store wants a second pair of eyes: somebody else than who changed the draft last activates it. Service "
        "accounts do not count, as one person may be behind both."
    )


class NothingToActivate(Conflict):
    """The version is active already, or there is none to go back to."""

    code = "nothing_to_activate"
    message = N_("There is no other version to activate: %(reason)s")


class EntitiesDoNotFit(Conflict):
    """The store's entities contradict the schema of the version to activate."""

    code = "entities_do_not_fit"
    message = N_(
        "The store's entities do not fit the schema of version %(number)d: %(reason)s. Change one of them first."
    )


def save_draft(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    slug: str,
    schema: str,
    policies: str,
    note: str = "",
    changes: int | None = None,
) -> VersionView:
    """Write the draft of a store, making it when there is none; `changes` is the count that was read, to notice others.

    The texts must compile: a draft that cannot be tried is no draft. The reserved store has the product's schema, and
    an empty text stands for it. Raises NotFound, PoliciesRefused, Invalid (note, schema_text), Stale.
    """
    if len(note) > NOTE_CHARS_MAX:
        raise Invalid(errors=(FieldError("note", "length", N_("A note has at most 1,000 characters.")),))
    if slug == WORKSPACE:
        schema = _schema_of_product(schema)
        workspace.check(policies)
        make_workspace_store(session=session, actor=actor, at=at)
    else:
        compile_policies(policies, schema)
    store = found_store(session=session, slug=slug, lock=True)
    draft = queries.version_in_state(session=session, store_id=store.id, state=State.DRAFT)
    values = {
        "schema": schema,
        "policies": policies,
        "note": note.strip(),
        "changed_at": at,
        "changed_by": actor.person_id,
    }
    if draft is not None:
        if changes is not None and changes != draft.changes:
            raise Stale
        session.execute(
            update(PolicyVersion)
            .where(PolicyVersion.store_id == store.id, PolicyVersion.state == State.DRAFT)
            .values(**values, **UNPLAYED, changes=PolicyVersion.changes + 1)
        )
        number = draft.number
    else:
        highest = select(func.max(PolicyVersion.number)).where(PolicyVersion.store_id == store.id)
        number = (session.scalar(highest) or 0) + 1
        _make_room(session, store, number)
        session.execute(
            insert(PolicyVersion).values(
                **values,
                store_id=store.id,
                number=number,
                state=State.DRAFT,
                created_at=at,
                created_by=actor.person_id,
            )
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.drafted",
        object_type="policy_store",
        object_id=slug,
        difference={"version": (None, number), "note": (draft.note if draft else None, note.strip())},
    )
    return _version(session, store, number)


def drop_draft(*, session: Session, actor: Actor, at: datetime, slug: str) -> None:
    """Throw the draft of a store away; raises NotFound when there is none."""
    store = found_store(session=session, slug=slug, lock=True)
    draft = queries.version_in_state(session=session, store_id=store.id, state=State.DRAFT)
    if draft is None:
        raise NotFound
    session.execute(delete(PolicyVersion).where(PolicyVersion.store_id == store.id, PolicyVersion.state == State.DRAFT))
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.draft_dropped",
        object_type="policy_store",
        object_id=slug,
        difference={"version": (draft.number, None)},
    )


def activate(
    *, session: Session, actor: Actor, at: datetime, slug: str, number: int, changes: int | None = None
) -> VersionView:
    """Let a version decide from now on, a draft or one that was active before; the present one retires.

    `changes` names the state of the draft that was looked at. Raises NotFound, NothingToActivate, NeedsOtherEyes,
    EntitiesDoNotFit, PoliciesRefused, Stale.
    """
    store = found_store(session=session, slug=slug, lock=True)
    wanted = _version(session, store, number)
    if wanted.state == State.ACTIVE:
        raise NothingToActivate(reason=Word(N_("this one is active.")))
    if changes is not None and changes != wanted.changes:
        raise Stale
    if wanted.state == State.DRAFT and store.four_eyes:
        with on_platform(session):
            eyes = identity.people(session=session, ids={actor.person_id, wanted.changed_by}).values()
        # A service account has no address; whoever holds its secret would have two pairs.
        if sum("@" in one.email for one in eyes) < PEOPLE:
            raise NeedsOtherEyes
    if slug == WORKSPACE:
        workspace.check(wanted.policies)
    else:
        _check_entities(session, store, wanted)
    session.execute(
        update(PolicyVersion)
        .where(PolicyVersion.store_id == store.id, PolicyVersion.state == State.ACTIVE)
        .values(state=State.RETIRED, retired_at=at)
    )
    session.execute(
        update(PolicyVersion)
        .where(PolicyVersion.store_id == store.id, PolicyVersion.number == number)
        .values(state=State.ACTIVE, activated_at=at, activated_by=actor.person_id, retired_at=None)
    )
    touch(session, store)
    record(
        session=session,
        actor=actor,
        at=at,
        action="policy_store.activated",
        object_type="policy_store",
        object_id=slug,
        difference={"version": (store.active, number)},
    )
    return _version(session, store, number)


def roll_back(*, session: Session, actor: Actor, at: datetime, slug: str) -> VersionView:
    """Activate the version that was active before the present one.

    Raises NotFound, NothingToActivate, EntitiesDoNotFit.
    """
    store = found_store(session=session, slug=slug, lock=True)
    before = queries.last_retired(session=session, store_id=store.id)
    if before is None:
        raise NothingToActivate(reason=Word(N_("none was active before.")))
    return activate(session=session, actor=actor, at=at, slug=slug, number=before.number)


def touch(session: Session, store: StoreView) -> None:
    """Tell every process that the store decides otherwise now."""
    session.execute(update(PolicyStore).where(PolicyStore.id == store.id).values(revision=PolicyStore.revision + 1))
    decide_anew(session=session, slug=store.slug)


def _schema_of_product(schema: str) -> str:
    """Return the product's schema, unless another one was given; raises Invalid (schema_text)."""
    own = schema_text()
    if schema.strip() and schema.split() != own.split():
        message = N_(
            "The schema of this store is Comptoir's own and cannot be changed: send it as it is, or leave it empty."
        )
        raise Invalid(errors=(FieldError("schema_text", "schema", message),))
    return own


def _version(session: Session, store: StoreView, number: int) -> VersionView:
    found = queries.version(session=session, store_id=store.id, number=number)
    if found is None:
        raise NotFound
    return found


def _check_entities(session: Session, store: StoreView, wanted: VersionView) -> None:
    known = queries.entities(session=session, store_id=store.id)
    try:
        Point(schema=wanted.schema, policies=wanted.policies, entities=known)
    except (Misfit, FactsRefused) as error:
        raise EntitiesDoNotFit(number=wanted.number, reason=str(error)) from error


def _make_room(session: Session, store: StoreView, number: int) -> None:
    session.execute(
        delete(PolicyVersion).where(
            PolicyVersion.store_id == store.id,
            PolicyVersion.state == State.RETIRED,
            PolicyVersion.number <= number - VERSIONS_MAX,
        )
    )
