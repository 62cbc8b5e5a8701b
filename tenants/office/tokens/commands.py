"""Make and revoke API tokens: on the platform's tables and in the workspace's trail."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.access.permissions import SCOPES
from webapp.audit.commands import record
from webapp.identity import queries as identity_queries
from webapp.identity import tokens
from webapp.identity.notices import tell
from webapp.identity.queries import TokenView
from webapp.identity.rules import TOKEN_LIFE_MAX, narrows
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, DomainError, FieldError, Invalid, NotFound
from webapp.tenancy import queries as registry


@dataclass(frozen=True, slots=True)
class TokenDraft:
    """What a token is called, what it may, and how many days it lives."""

    name: str
    scopes: frozenset[str]
    days: int
    networks: tuple[str, ...] = ()

    @property
    def difference(self) -> dict[str, Any]:
        """Return what the trail says of the new token."""
        told = {"name": self.name, "scopes": sorted(self.scopes), "days": self.days}
        return {name: (None, value) for name, value in told.items()} | (
            {"networks": (None, list(self.networks))} if self.networks else {}
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a token that makes or rotates a token may itself; a browser session has no bounds."""

    scopes: frozenset[str] | None = None
    networks: tuple[str, ...] = ()
    is_machine: bool = False

    def hold(self, token: TokenView) -> bool:
        """Tell whether another token may no more than this one."""
        if self.scopes is None:
            return True
        return self.scopes >= set(token.scopes) and narrows(token.networks, self.networks)


class NotAPerson(DomainError):
    """A service account asks for a personal token."""

    code = "not_a_person"
    status = 403
    title = N_("You may not do this")
    message = N_("A service account has no personal tokens. Make a token of the service account instead.")


class TooWide(DomainError):
    """A token asks for the secret of one that may more than itself."""

    code = "token_too_wide"
    status = 403
    title = N_("You may not do this")
    message = N_("A token gets no secret of a token that may more, or works from more networks, than itself.")


def offered(useful: frozenset[str], within: frozenset[str] | None = None) -> tuple[str, ...]:
    """Return the scopes that are of use to a person, in order; `within` are those of a token that makes a token."""
    return tuple(scope for scope in SCOPES if scope in useful and (within is None or scope in within))


def create_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    token_id: str,
    secret: str,
    useful: frozenset[str],
    within: Bounds,
    draft: TokenDraft,
) -> str:
    """Make a token of the acting person and return it whole, the only time that it can be seen.

    A token never makes one that may more than itself.
    Raises Invalid (name, scopes, days, networks), TooManyTokens, NotAPerson.
    """
    if within.is_machine:
        raise NotAPerson
    tenant = bound_tenant(session)
    if not 1 <= draft.days <= TOKEN_LIFE_MAX.days:
        raise Invalid(errors=(FieldError("days", "range", N_("A token lives 1 to 366 days.")),))
    with on_platform(session):
        whole = tokens.create_token(
            session=session,
            actor=actor,
            at=at,
            token_id=token_id,
            secret=secret,
            tenant_id=tenant.id,
            person_id=actor.person_id,
            name=draft.name,
            scopes=draft.scopes,
            known_scopes=offered(useful, within.scopes),
            life=timedelta(days=draft.days),
            networks=draft.networks,
        )
        told = {"token": draft.name, "workspace": registry.tenant_name(session=session, tenant_id=tenant.id)}
        tell(session=session, actor=actor, at=at, person_id=actor.person_id, kind="token_created", params=told)
    if not narrows(draft.networks, within.networks):
        raise TooWide
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.created",
        object_type="token",
        object_id=token_id,
        difference=draft.difference,
    )
    return whole


def rotate_token(
    *, session: Session, actor: Actor, at: datetime, token_id: str, secret: str, within: Bounds, overlap_hours: int
) -> str:
    """Give a token of the acting person a new secret and return it whole; the old one works for some hours more.

    Raises NotFound (also for a token of somebody else), TooWide, Invalid (overlap_hours).
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        found = identity_queries.tokens(session=session, tenant_id=tenant.id, person_id=actor.person_id)
        token = next((one for one in found if one.id == token_id), None)
        if token is None:
            raise NotFound
        if not within.hold(token):
            raise TooWide
        whole = tokens.rotate_token(
            session=session,
            actor=actor,
            at=at,
            tenant_id=tenant.id,
            holder_id=actor.person_id,
            token_id=token_id,
            secret=secret,
            overlap=timedelta(hours=overlap_hours),
        )
        told = {"token": token.name, "workspace": registry.tenant_name(session=session, tenant_id=tenant.id)}
        tell(session=session, actor=actor, at=at, person_id=actor.person_id, kind="token_rotated", params=told)
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.rotated",
        object_type="token",
        object_id=token_id,
        difference={"overlap_hours": (None, overlap_hours)},
    )
    return whole


def revoke_token(*, session: Session, actor: Actor, at: datetime, token_id: str, person_id: UUID | None) -> None:
    """Revoke a token; of one person only if named.

    Raises NotFound.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        tokens.revoke_token(
            session=session, actor=actor, at=at, tenant_id=tenant.id, token_id=token_id, person_id=person_id
        )
    record(session=session, actor=actor, at=at, action="token.revoked", object_type="token", object_id=token_id)
