"""Acts of single sign-on, on a transaction bound to the platform."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import of_person, of_platform, of_tenant, ring_of
from webapp.kernel.errors import Invalid, NotFound
from webapp.sso.models import SsoIdentity, SsoProvider
from webapp.sso.queries import SECRET, SUBJECT, is_identity
from webapp.sso.rules import Proof, provider_errors, subject_key

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 1))")


def set_provider(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    tenant_id: UUID,
    kind: str,
    name: str,
    issuer: str,
    client_id: str,
    client_secret: str,
) -> None:
    """Set the provider of a workspace up, in place of the one before; what that one vouched for is forgotten.

    Raises Invalid (kind, name, issuer, client_id, client_secret).
    """
    errors = provider_errors(kind=kind, name=name, issuer=issuer, client_id=client_id, client_secret=client_secret)
    if errors:
        raise Invalid(errors=tuple(errors))
    values = {
        "kind": kind,
        "name": name,
        "issuer": issuer.rstrip("/"),
        "client_id": client_id,
        "client_secret": ring_of(session).seal(client_secret.encode(), context=of_tenant(SECRET, tenant_id)),
        "changed_at": at,
    }
    query = upsert(SsoProvider).values(tenant_id=tenant_id, **values)
    session.execute(query.on_conflict_do_update(index_elements=["tenant_id"], set_=values))
    session.execute(
        delete(SsoIdentity).where(SsoIdentity.scope == tenant_id, SsoIdentity.issuer != issuer.rstrip("/")),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="sso.provider_set",
        object_type="tenant",
        object_id=tenant_id,
        difference={"issuer": (None, issuer), "client_id": (None, client_id)},
    )


def remove_provider(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID) -> None:
    """Take the provider of a workspace away, with every identity that it vouched for.

    Raises NotFound.
    """
    gone = session.execute(
        delete(SsoProvider).where(SsoProvider.tenant_id == tenant_id).returning(SsoProvider.tenant_id),
    ).first()
    if gone is None:
        raise NotFound
    session.execute(delete(SsoIdentity).where(SsoIdentity.scope == tenant_id))
    record(
        session=session,
        actor=actor,
        at=at,
        action="sso.provider_removed",
        object_type="tenant",
        object_id=tenant_id,
    )


def link_identity(*, session: Session, actor: Actor, at: datetime, scope: UUID, proof: Proof, person_id: UUID) -> None:
    """Remember that a subject of an issuer is this person, within a scope; an identity that is known is not moved."""
    # One at a time: while keys are rotated two marks of one subject would not meet in the table.
    session.execute(_LOCK, {"subject": f"{scope} {proof.issuer} {proof.subject}"})
    known = select(SsoIdentity.person_id).where(*is_identity(session, scope, proof, anew=True))
    if session.execute(known).first() is not None:
        return
    ring = ring_of(session)
    query = insert(SsoIdentity).values(
        scope=scope,
        issuer=proof.issuer,
        subject_blind=ring.blind(subject_key(proof.subject), context=of_platform(SUBJECT)),
        subject_sealed=ring.seal(proof.subject.encode(), context=of_person(SUBJECT, person_id)),
        person_id=person_id,
        linked_at=at,
        used_at=at,
    )
    session.execute(query)
    record(
        session=session,
        actor=actor,
        at=at,
        action="sso.identity_linked",
        object_type="person",
        object_id=person_id,
        difference={"issuer": (None, proof.issuer)},
    )


def touch_identity(*, session: Session, at: datetime, scope: UUID, proof: Proof) -> None:
    """Note that somebody came in by an identity."""
    session.execute(
        update(SsoIdentity).where(*is_identity(session, scope, proof)).values(used_at=at),
    )
