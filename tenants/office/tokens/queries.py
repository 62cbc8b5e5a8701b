"""API tokens of the workspace with their owners' names; on a transaction bound to the workspace."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.identity import queries as identity
from webapp.identity.queries import ServiceAccountView, TokenView
from webapp.kernel.db import bound_tenant, on_platform


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token, whose it is, and whether it still works."""

    token: TokenView
    person_name: str
    person_email: str

    def state(self, at: datetime) -> str:
        """Return active, expired or revoked."""
        if self.token.revoked_at is not None:
            return "revoked"
        return "active" if self.token.expires_at > at else "expired"


def tokens(*, session: Session, person_id: UUID | None, token_id: str | None = None) -> list[TokenRow]:
    """Return tokens, those that work first, then newest first (at most 1,000): everybody's, one person's, or one."""
    tenant = bound_tenant(session)
    with on_platform(session):
        found = identity.tokens(session=session, tenant_id=tenant.id, person_id=person_id, token_id=token_id)
        people = identity.people(session=session, ids={token.person_id for token in found if token.person_id})
    return [
        TokenRow(token, people[token.person_id].name, people[token.person_id].email)
        for token in found
        if token.person_id
    ]


def token(*, session: Session, token_id: str, person_id: UUID | None) -> TokenRow | None:
    """Return one of them."""
    return next(iter(tokens(session=session, person_id=person_id, token_id=token_id)), None)


def service_accounts(*, session: Session) -> list[ServiceAccountView]:
    """Return the workspace's service accounts, those that work first (at most 1,000)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return identity.service_accounts(session=session, tenant_id=tenant.id)


def service_account(*, session: Session, service_account_id: UUID) -> ServiceAccountView | None:
    """Return one of them."""
    tenant = bound_tenant(session)
    with on_platform(session):
        found = identity.service_accounts(session=session, tenant_id=tenant.id, service_account_id=service_account_id)
    return next(iter(found), None)


def service_account_tokens(
    *, session: Session, service_account_id: UUID, token_id: str | None = None
) -> list[TokenRow]:
    """Return the tokens of a service account (or one), those that work first, then newest first (at most 1,000)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        found = identity.tokens(
            session=session, tenant_id=tenant.id, service_account_id=service_account_id, token_id=token_id
        )
    return [TokenRow(token, "", "") for token in found]
