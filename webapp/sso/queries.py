"""Reads of single sign-on, on a transaction bound to the platform."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from webapp.kernel.crypto import of_platform, of_tenant, ring_of
from webapp.sso.models import SsoIdentity, SsoProvider
from webapp.sso.rules import Proof, Provider, subject_key

SECRET = "sso_provider.client_secret"  # noqa: S105 - the name of a column
SUBJECT = "sso_identity.subject"


@dataclass(frozen=True, slots=True)
class ProviderView:
    """The provider of a workspace as its owner sees it, without its secret."""

    kind: str
    name: str
    issuer: str
    client_id: str
    changed_at: datetime


def provider_view(*, session: Session, tenant_id: UUID) -> ProviderView | None:
    """Return the provider of a workspace, if it has one."""
    columns = [getattr(SsoProvider, name) for name in ProviderView.__dataclass_fields__]
    row = session.execute(select(*columns).where(SsoProvider.tenant_id == tenant_id)).first()
    return None if row is None else ProviderView(*row)


def provider_of(*, session: Session, tenant_id: UUID) -> Provider | None:
    """Return the provider of a workspace with its secret, to speak with it."""
    row = session.scalar(select(SsoProvider).where(SsoProvider.tenant_id == tenant_id))
    if row is None:
        return None
    secret = ring_of(session).open(row.client_secret, context=of_tenant(SECRET, tenant_id)).decode()
    return Provider(f"t/{tenant_id}", row.kind, row.name, row.issuer, row.client_id, secret, tenant_id)


def person_of(*, session: Session, scope: UUID, proof: Proof) -> UUID | None:
    """Return the person that a subject of an issuer is within a scope."""
    return session.scalar(select(SsoIdentity.person_id).where(*is_identity(session, scope, proof)))


def is_identity(session: Session, scope: UUID, proof: Proof, *, anew: bool = False) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of an identity: providers call people as they like, some by their address.

    With `anew` no mark of a key that another process made is missed.
    """
    marks = ring_of(session).blinds(subject_key(proof.subject), context=of_platform(SUBJECT), anew=anew)
    return SsoIdentity.scope == scope, SsoIdentity.issuer == proof.issuer, SsoIdentity.subject_blind.in_(marks)


def issuers_of(*, session: Session, scope: UUID, person_id: UUID) -> set[str]:
    """Return the issuers that vouch for a person within a scope (at most 20)."""
    query = select(SsoIdentity.issuer).where(SsoIdentity.person_id == person_id, SsoIdentity.scope == scope)
    return set(session.scalars(query.limit(20)))
