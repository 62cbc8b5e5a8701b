"""Acts on service accounts (AP-11), on a transaction bound to the platform: machines with a name and a role."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, text, update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.identity.models import ServiceAccount, Token
from webapp.identity.rules import service_account_errors
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, Invalid, NotFound

SERVICE_ACCOUNTS_MAX = 200


class TooManyServiceAccounts(Conflict):
    """A workspace has as many service accounts as one may have."""

    code = "too_many_service_accounts"
    message = N_("This workspace already has %(maximum)s service accounts. Disable one first.")


class ServiceAccountNameTaken(Conflict):
    """Another service account that works has this name."""

    code = "service_account_name"
    message = N_("Another service account here is called %(name)s.")


def add_service_account(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    service_account_id: UUID,
    tenant_id: UUID,
    name: str,
    note: str,
    role: str,
) -> None:
    """Make a machine's identity in a workspace; it has no token yet.

    Raises Invalid (name, note), ServiceAccountNameTaken, TooManyServiceAccounts.
    """
    if errors := service_account_errors(name=name, note=note):
        raise Invalid(errors=tuple(errors))
    _lock_names(session, tenant_id)
    _check_name(session, tenant_id, service_account_id, name)
    working = select(func.count()).where(ServiceAccount.tenant_id == tenant_id, ServiceAccount.disabled_at.is_(None))
    if (session.scalar(working) or 0) >= SERVICE_ACCOUNTS_MAX:
        raise TooManyServiceAccounts(maximum=SERVICE_ACCOUNTS_MAX)
    session.execute(
        insert(ServiceAccount).values(
            id=service_account_id,
            tenant_id=tenant_id,
            name=name,
            note=note,
            role=role,
            created_at=at,
            created_by=actor.person_id,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="service_account.added",
        object_type="service_account",
        object_id=service_account_id,
        difference={"name": (None, name), "role": (None, role)},
    )


def change_service_account(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    service_account_id: UUID,
    tenant_id: UUID,
    name: str,
    note: str,
    role: str,
) -> None:
    """Change what a service account is called, what is noted about it and what it may.

    Raises Invalid (name, note), ServiceAccountNameTaken, NotFound (also when it is disabled).
    """
    if errors := service_account_errors(name=name, note=note):
        raise Invalid(errors=tuple(errors))
    _lock_names(session, tenant_id)
    _check_name(session, tenant_id, service_account_id, name)
    done = session.execute(
        update(ServiceAccount)
        .where(_working(tenant_id, service_account_id))
        .values(name=name, note=note, role=role)
        .returning(ServiceAccount.id),
    ).first()
    if done is None:
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="service_account.changed",
        object_type="service_account",
        object_id=service_account_id,
        difference={"name": (None, name), "role": (None, role)},
    )


def disable_service_account(
    *, session: Session, actor: Actor, at: datetime, service_account_id: UUID, tenant_id: UUID
) -> None:
    """Disable a service account for good: every token of it is revoked and refused from the next call on.

    Raises NotFound (also when it is disabled already).
    """
    done = session.execute(
        update(ServiceAccount)
        .where(_working(tenant_id, service_account_id))
        .values(disabled_at=at)
        .returning(ServiceAccount.id),
    ).first()
    if done is None:
        raise NotFound
    session.execute(
        update(Token)
        .where(Token.service_account_id == service_account_id, Token.revoked_at.is_(None))
        .values(revoked_at=at),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="service_account.disabled",
        object_type="service_account",
        object_id=service_account_id,
    )


def _working(tenant_id: UUID, service_account_id: UUID) -> ColumnElement[bool]:
    return (
        (ServiceAccount.id == service_account_id)
        & (ServiceAccount.tenant_id == tenant_id)
        & ServiceAccount.disabled_at.is_(None)
    )


def _lock_names(session: Session, tenant_id: UUID) -> None:
    """Let two who make service accounts at once wait for each other, so that the count and the name hold."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"service_account {tenant_id}"}
    )


def _check_name(session: Session, tenant_id: UUID, service_account_id: UUID, name: str) -> None:
    taken = select(ServiceAccount.id).where(
        ServiceAccount.tenant_id == tenant_id,
        func.lower(ServiceAccount.name) == name.lower(),
        ServiceAccount.disabled_at.is_(None),
        ServiceAccount.id != service_account_id,
    )
    if session.scalar(taken.limit(1)) is not None:
        raise ServiceAccountNameTaken(name=name)
