"""The erasure that an owner asks for: days of grace in which any owner calls it back, a job, a certificate."""

import json
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.backups.models import Erasure
from webapp.identity import queries as identity
from webapp.identity.notices import tell
from webapp.jobs import queries as jobs
from webapp.jobs.commands import enqueue, forget_arguments
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import of_platform, ring_of
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound
from webapp.tenancy import commands as tenancy
from webapp.tenancy import queries as registry
from webapp.tenancy.queries import TenantView

ERASE = "backups.erase"
GRACE = timedelta(days=7)
"""So long any owner can call an erasure back."""
GRACE_LEAST = timedelta(days=1)
"""So long before its time an erasure is put off whose owners the operator keeps out: nobody can call it back."""
CERTIFICATE_LIFE = timedelta(days=365)
"""So long those who owned the workspace find its certificate here."""

FROM_SIGHT = str.maketrans(
    "\u2018\u2019\u201a\u201b\u02bc\u2032\u00b4`\u201c\u201d\u201e\u201f\u00ab\u00bb\u2010\u2011\u2012\u2013\u2014\u2212",
    "'" * 8 + '"' * 6 + "-" * 6,
    "\ufe0e\ufe0f\u200b\u200c\u200d\u200e\u200f",
)
"""Signs that no keyboard types as the name has them, and marks that nobody sees."""


class ErasureAskedFor(Conflict):
    """Somebody asked for it before."""

    code = "erasure_asked_for"
    message = N_("The workspace is to be erased already.")


class NoErasure(Conflict):
    """Nobody asked for it, or it was called back."""

    code = "no_erasure"
    message = N_("Nobody has asked for the workspace to be erased, or it was called back.")


class ErasureBegun(Conflict):
    """The clock has closed the workspace."""

    code = "erasure_begun"
    message = N_("The days in which it could be called back are over: the workspace is being erased.")


def ask(*, session: Session, actor: Actor, at: datetime, name: str) -> datetime:
    """Let the bound workspace be erased after the days of grace, once its name was typed; return when (UTC).

    Its short name does as well, for names that a keyboard cannot type. Every owner is told by mail.
    Raises Invalid (name), ErasureAskedFor.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        here = _locked(session, tenant.id)
        if _as_read(name) not in {_as_read(here.name), _as_read(here.slug)}:
            raise Invalid(errors=(FieldError("name", "name", N_("This is not the name of the workspace.")),))
        if here.erase_at is not None:
            raise ErasureAskedFor
        erase_at = at + GRACE
        tenancy.set_erasure(session=session, tenant_id=tenant.id, erase_at=erase_at, asked_by=actor.person_id)
        _note(session, actor, at, "tenant.erasure_asked_for", tenant.id, (None, erase_at))
        by = identity.called(session=session, actor=actor)
        told = {"workspace": here.name, "slug": here.slug, "by": by, "when": erase_at.isoformat()}
        _tell_owners(session, actor, at, tenant.id, "erasure_asked_for", told)
    _note(session, actor, at, "workspace.erasure_asked_for", tenant.id, (None, erase_at))
    return erase_at


def call_back(*, session: Session, actor: Actor, at: datetime) -> None:
    """Let the bound workspace be; every owner is told by mail.

    Raises NoErasure, ErasureBegun.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        here = _locked(session, tenant.id)
        if here.erase_at is None:
            raise NoErasure
        if here.suspended_at is not None:
            # Let in a moment ago, closed meanwhile: it would stay closed for ever.
            raise ErasureBegun
        tenancy.set_erasure(session=session, tenant_id=tenant.id, erase_at=None, asked_by=None)
        _note(session, actor, at, "tenant.erasure_called_back", tenant.id, (here.erase_at, None))
        told = {"workspace": here.name, "by": identity.called(session=session, actor=actor)}
        _tell_owners(session, actor, at, tenant.id, "erasure_called_back", told)
    _note(session, actor, at, "workspace.erasure_called_back", tenant.id, (here.erase_at, None))


def _as_read(name: str) -> str:
    """Return a name as somebody types it from sight: spaces, case, forms of accents, quotes and dashes do not count."""
    return " ".join(unicodedata.normalize("NFKC", name.translate(FROM_SIGHT)).casefold().split())


def _locked(session: Session, tenant_id: UUID) -> TenantView:
    """Return the workspace as it is, while nobody else asks, calls back or closes it."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"erasure {tenant_id}"), 0)))
    here = registry.tenant_by_id(session=session, tenant_id=tenant_id)
    if here is None:
        raise NotFound
    return here


def _note(
    session: Session,
    actor: Actor,
    at: datetime,
    action: str,
    tenant_id: UUID,
    change: tuple[datetime | None, datetime | None],
) -> None:
    before, after = (one.isoformat() if one else None for one in change)
    difference = {"erase_at": (before, after)}
    record(
        session=session,
        actor=actor,
        at=at,
        action=action,
        object_type="tenant",
        object_id=tenant_id,
        difference=difference,
    )


def _tell_owners(
    session: Session, actor: Actor, at: datetime, tenant_id: UUID, kind: str, told: dict[str, Any]
) -> None:
    for person_id in registry.owners(session=session, tenant_id=tenant_id):
        tell(session=session, actor=actor, at=at, person_id=person_id, kind=kind, params=told)


def id_of(tenant: TenantView) -> UUID:
    """Return the id of the erasure that is asked for now, and of its job: one that is asked for anew is another."""
    return uuid5(tenant.id, f"erasure {tenant.erase_at.astimezone(UTC) if tenant.erase_at else None}")


def plan(*, session: Session, at: datetime) -> int:
    """Close the workspaces whose days of grace are over and queue their erasure; return how many were queued.

    On a transaction of the platform that no second clock shares.
    """
    queued = 0
    for found, asked_by in registry.to_erase(session=session, at=at + GRACE_LEAST):
        if found.erase_at is None or (found.erase_at > at and found.suspended_at is None):
            continue
        job_id = id_of(found)
        if jobs.job(session=session, job_id=job_id) is not None:
            continue
        tenant = _locked(session, found.id)
        if tenant.erase_at != found.erase_at:
            continue
        if tenant.suspended_at is not None:
            _put_off(session, tenant, asked_by, at)
            continue
        actor = Actor(person_id=asked_by, label="", via="job", through_id=str(job_id))
        tenancy.set_suspended(session=session, actor=actor, at=at, slug=tenant.slug, suspended=True)
        arguments = {"tenant_id": str(tenant.id), "name": tenant.name}
        enqueue(session=session, actor=actor, at=at, job_id=job_id, kind=ERASE, arguments=arguments)
        queued += 1
    return queued


def reopen(*, session: Session, tenant_id: UUID, erasure_id: UUID, asked_by: UUID, at: datetime) -> None:
    """Let people in again whose workspace a wrong clock closed too early, and begin the days of grace anew."""
    tenant = _locked(session, tenant_id)
    if id_of(tenant) != erasure_id:
        return
    leave(session=session, erasure_id=erasure_id)
    clock = Actor.system("clock")
    tenancy.set_suspended(session=session, actor=clock, at=at, slug=tenant.slug, suspended=False)
    _put_off(session, tenant, asked_by, at)


def _put_off(session: Session, tenant: TenantView, asked_by: UUID, at: datetime) -> None:
    """Begin the days of grace anew: nobody could call it back while everybody was kept out."""
    erase_at = at + GRACE
    tenancy.set_erasure(session=session, tenant_id=tenant.id, erase_at=erase_at, asked_by=asked_by)
    _note(session, Actor.system("clock"), at, "tenant.erasure_put_off", tenant.id, (tenant.erase_at, erase_at))


def _context(erasure_id: UUID) -> str:
    return f"{of_platform('erasure.content')}/{erasure_id}"


def begin(*, session: Session, at: datetime, erasure_id: UUID, owners: list[UUID], found: dict[str, Any]) -> None:
    """Keep what was found and who owned it, before anything is deleted."""
    content = json.dumps(found, default=str).encode()
    session.execute(
        insert(Erasure).values(
            id=erasure_id,
            owners=owners,
            begun_at=at,
            content_sealed=ring_of(session).seal(content, context=_context(erasure_id)),
            expires_at=at + CERTIFICATE_LIFE,
        )
    )


def found_before(*, session: Session, erasure_id: UUID) -> dict[str, Any] | None:
    """Return what an erasure found that was cut off; None for one that never began, or is done."""
    row = session.execute(select(Erasure.content_sealed).where(Erasure.id == erasure_id, ~Erasure.is_done)).first()
    if row is None:
        return None
    found: dict[str, Any] = json.loads(ring_of(session).open(bytes(row[0]), context=_context(erasure_id)))
    return found


def leave(*, session: Session, erasure_id: UUID) -> None:
    """Forget what an erasure found that was begun and called back."""
    session.execute(delete(Erasure).where(Erasure.id == erasure_id, ~Erasure.is_done))


def finish(*, session: Session, actor: Actor, at: datetime, erasure_id: UUID, name: str, certificate: str) -> None:
    """Keep the certificate in the place of what was found, and tell those who owned the workspace where it is."""
    sealed = ring_of(session).seal(certificate.encode(), context=_context(erasure_id))
    row = session.execute(
        update(Erasure)
        .where(Erasure.id == erasure_id, ~Erasure.is_done)
        .values(is_done=True, content_sealed=sealed)
        .returning(Erasure.owners)
    ).first()
    forget_arguments(session=session, job_id=erasure_id, keep=("tenant_id",))
    owners = set(row[0]) if row else set()
    for person_id in identity.people(session=session, ids=owners):
        told = {"workspace": name, "erasure": str(erasure_id)}
        tell(session=session, actor=actor, at=at, person_id=person_id, kind="workspace_erased", params=told)


@dataclass(frozen=True, slots=True)
class Erased:
    """A workspace that is gone, with its certificate: the text that was signed is JSON under `certificate`."""

    id: UUID
    certificate: str
    expires_at: datetime

    @property
    def said(self) -> dict[str, Any]:
        """Return what the certificate says."""
        said: dict[str, Any] = json.loads(json.loads(self.certificate)["certificate"])
        return said


def erased(*, session: Session, erasure_id: UUID, person_id: UUID, at: datetime) -> Erased:
    """Return the erasure of a workspace that a person owned; for everybody else there is none.

    Raises NotFound.
    """
    query = select(Erasure.content_sealed, Erasure.expires_at).where(
        Erasure.id == erasure_id, Erasure.is_done, Erasure.expires_at > at, Erasure.owners.contains([person_id])
    )
    row = session.execute(query).first()
    if row is None:
        raise NotFound
    content = ring_of(session).open(bytes(row[0]), context=_context(erasure_id)).decode()
    return Erased(erasure_id, content, row[1])


def forget(*, session: Session, at: datetime) -> None:
    """Delete certificates whose time is over."""
    session.execute(delete(Erasure).where(Erasure.expires_at <= at))
