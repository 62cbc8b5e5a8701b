"""Service accounts and their tokens: on the platform's tables and in the workspace's trail."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from tenants.office.tokens import queries
from tenants.office.tokens.commands import Bounds, TokenDraft, TooWide, offered
from webapp.access.guard import scopes_of_role
from webapp.access.permissions import Role
from webapp.audit.commands import record
from webapp.identity import service_accounts, tokens
from webapp.identity.notices import tell
from webapp.identity.queries import ServiceAccountView
from webapp.identity.rules import TOKEN_LIFE_MAX, narrows
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, Conflict, DomainError, FieldError, Invalid, NotFound
from webapp.tenancy import queries as registry

MayGive = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class ServiceAccountDraft:
    """What a service account is called, may, and is for."""

    name: str
    role: str
    note: str = ""


class RoleTooWide(DomainError):
    """Somebody gives a machine more than they may themselves."""

    code = "service_account_role"
    status = 403
    title = N_("You may not do this")
    message = N_("You may not act for a service account whose role includes more than your own.")


class ServiceAccountDisabled(Conflict):
    """The service account was disabled, which is for good."""

    code = "service_account_disabled"
    message = N_("This service account is disabled. Make a new one.")


def add_service_account(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    service_account_id: UUID,
    may_give: MayGive,
    draft: ServiceAccountDraft,
) -> None:
    """Make a service account; `may_give` tells which roles whoever acts may give a machine.

    Raises Invalid (name, role, note), ServiceAccountNameTaken, TooManyServiceAccounts.
    """
    tenant = bound_tenant(session)
    _check_role(draft.role, may_give)
    with on_platform(session):
        service_accounts.add_service_account(
            session=session,
            actor=actor,
            at=at,
            service_account_id=service_account_id,
            tenant_id=tenant.id,
            name=draft.name.strip(),
            note=draft.note.strip(),
            role=draft.role,
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="service_account.added",
        object_type="service_account",
        object_id=service_account_id,
        difference={"name": (None, draft.name.strip()), "role": (None, draft.role), "note": (None, draft.note.strip())},
    )


def change_service_account(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    service_account_id: UUID,
    may_give: MayGive,
    draft: ServiceAccountDraft,
) -> None:
    """Change a service account; what its tokens may changes with the next call.

    Raises NotFound, ServiceAccountDisabled, RoleTooWide, Invalid (name, role, note), ServiceAccountNameTaken.
    """
    tenant, before = bound_tenant(session), _working(session, service_account_id, may_give)
    _check_role(draft.role, may_give)
    after = {"name": draft.name.strip(), "role": draft.role, "note": draft.note.strip()}
    difference = {key: (getattr(before, key), value) for key, value in after.items() if getattr(before, key) != value}
    if not difference:
        return
    with on_platform(session):
        service_accounts.change_service_account(
            session=session,
            actor=actor,
            at=at,
            service_account_id=service_account_id,
            tenant_id=tenant.id,
            **after,
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="service_account.changed",
        object_type="service_account",
        object_id=service_account_id,
        difference=difference,
    )


def disable_service_account(*, session: Session, actor: Actor, at: datetime, service_account_id: UUID) -> None:
    """Disable a service account for good; its next call is refused.

    Raises NotFound, ServiceAccountDisabled.
    """
    tenant = bound_tenant(session)
    _living(session, service_account_id)
    with on_platform(session):
        service_accounts.disable_service_account(
            session=session, actor=actor, at=at, service_account_id=service_account_id, tenant_id=tenant.id
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="service_account.disabled",
        object_type="service_account",
        object_id=service_account_id,
        difference={"disabled": (False, True)},
    )


def create_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    service_account_id: UUID,
    token_id: str,
    secret: str,
    may_give: MayGive,
    within: Bounds,
    draft: TokenDraft,
) -> str:
    """Make a token of a service account and return it whole, the only time that it can be seen.

    Raises NotFound, ServiceAccountDisabled, RoleTooWide, TooWide, Invalid (name, scopes, days, networks),
    TooManyTokens.
    """
    tenant, account = bound_tenant(session), _working(session, service_account_id, may_give)
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
            person_id=None,
            service_account_id=service_account_id,
            name=draft.name,
            scopes=draft.scopes,
            known_scopes=offered(scopes_of_role(Role(account.role)), within.scopes),
            life=timedelta(days=draft.days),
            networks=draft.networks,
        )
    _tell(session, actor, at, "service_token_created", token=draft.name, account=account.name)
    if not narrows(draft.networks, within.networks):
        raise TooWide
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.created",
        object_type="token",
        object_id=token_id,
        difference={"service_account": (None, account.name), **draft.difference},
    )
    return whole


def rotate_token(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    service_account_id: UUID,
    token_id: str,
    secret: str,
    may_give: MayGive,
    within: Bounds,
    overlap_hours: int,
) -> str:
    """Give a token of a service account a new secret and return it whole; the old one works for some hours more.

    Raises NotFound, ServiceAccountDisabled, RoleTooWide, TooWide, Invalid (overlap_hours).
    """
    tenant, account = bound_tenant(session), _working(session, service_account_id, may_give)
    row = _token(session, service_account_id, token_id)
    if not within.hold(row.token):
        raise TooWide
    with on_platform(session):
        whole = tokens.rotate_token(
            session=session,
            actor=actor,
            at=at,
            tenant_id=tenant.id,
            holder_id=service_account_id,
            token_id=token_id,
            secret=secret,
            overlap=timedelta(hours=overlap_hours),
        )
    _tell(session, actor, at, "service_token_rotated", token=row.token.name, account=account.name)
    record(
        session=session,
        actor=actor,
        at=at,
        action="token.rotated",
        object_type="token",
        object_id=token_id,
        difference={"service_account": (None, account.name), "overlap_hours": (None, overlap_hours)},
    )
    return whole


def revoke_token(*, session: Session, actor: Actor, at: datetime, service_account_id: UUID, token_id: str) -> None:
    """Revoke a token of a service account.

    Raises NotFound.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        tokens.revoke_token(
            session=session,
            actor=actor,
            at=at,
            tenant_id=tenant.id,
            token_id=token_id,
            person_id=None,
            service_account_id=service_account_id,
        )
    record(session=session, actor=actor, at=at, action="token.revoked", object_type="token", object_id=token_id)


def _tell(session: Session, actor: Actor, at: datetime, kind: str, **told: str) -> None:
    """Tell whoever acts of the secret that they were shown; a machine that acts reads no mail."""
    tenant = bound_tenant(session)
    with on_platform(session):
        told["workspace"] = registry.tenant_name(session=session, tenant_id=tenant.id)
        tell(session=session, actor=actor, at=at, person_id=actor.person_id, kind=kind, params=told)


def _living(session: Session, service_account_id: UUID) -> ServiceAccountView:
    account = queries.service_account(session=session, service_account_id=service_account_id)
    if account is None:
        raise NotFound
    if account.disabled_at is not None:
        raise ServiceAccountDisabled
    return account


def _working(session: Session, service_account_id: UUID, may_give: MayGive) -> ServiceAccountView:
    """Return a service account for which whoever acts may act."""
    account = _living(session, service_account_id)
    if not may_give(account.role):
        raise RoleTooWide
    return account


def _check_role(wanted: str, may_give: MayGive) -> None:
    if not may_give(wanted):
        text = N_("Choose a role that includes no more than your own; a service account is never an owner.")
        raise Invalid(errors=(FieldError("role", "choice", text),))


def _token(session: Session, service_account_id: UUID, token_id: str) -> queries.TokenRow:
    found = queries.service_account_tokens(session=session, service_account_id=service_account_id, token_id=token_id)
    if not found:
        raise NotFound
    return found[0]
