"""Acts on the registry that need no owner's sign-in: members, invitations, suspension."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from webapp.access.permissions import Role
from webapp.audit.commands import record
from webapp.identity.rules import hash_secret, is_email
from webapp.identity.sessions import ask_for_renewal
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import ring_of
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound
from webapp.tenancy import queries
from webapp.tenancy.models import Invitation, Membership, Tenant

INVITATION_LIFE = timedelta(days=7)


class LastOwner(Conflict):
    """A workspace always keeps one owner."""

    code = "last_owner"
    message = N_("This is the workspace's last owner. Make someone else an owner first.")


def raise_access_revision(*, session: Session, tenant_id: UUID) -> None:
    """Tell every process that what it remembers of the workspace's policies is of yesterday."""
    session.execute(
        update(Tenant).where(Tenant.id == tenant_id).values(access_revision=Tenant.access_revision + 1),
    )


def raise_stores_revision(*, session: Session, tenant_id: UUID) -> None:
    """Tell every process that what it remembers of the workspace's policy stores is of yesterday."""
    session.execute(
        update(Tenant).where(Tenant.id == tenant_id).values(stores_revision=Tenant.stores_revision + 1),
    )


def set_own_roles(*, session: Session, tenant_id: UUID, person_id: UUID, names: tuple[str, ...]) -> None:
    """Give a member exactly these of the workspace's own roles, besides the role of their place."""
    session.execute(
        update(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.person_id == person_id)
        .values(own_roles=list(names)),
    )


def add_member(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID, person_id: UUID, role: Role) -> None:
    """Give a person a place in a workspace; a member who is there already takes the new role."""
    query = upsert(Membership).values(tenant_id=tenant_id, person_id=person_id, role=role.value, created_at=at)
    session.execute(
        query.on_conflict_do_update(index_elements=["tenant_id", "person_id"], set_={"role": role.value}),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="member.added",
        object_type="member",
        object_id=f"{tenant_id}/{person_id}",
        difference={"role": (None, role.value)},
    )


def change_role(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID, person_id: UUID, role: Role) -> None:
    """Give a member another role.

    Raises NotFound, LastOwner.
    """
    before = _locked_role(session, tenant_id, person_id)
    if before == Role.OWNER.value and role is not Role.OWNER:
        _keep_an_owner(session, tenant_id)
    session.execute(
        update(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.person_id == person_id)
        .values(role=role.value),
    )
    ask_for_renewal(session=session, person_id=person_id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="member.role_changed",
        object_type="member",
        object_id=f"{tenant_id}/{person_id}",
        difference={"role": (before, role.value)},
    )


def remove_member(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID, person_id: UUID) -> None:
    """Take a member's place away; their tokens for this workspace stop with it.

    Raises NotFound, LastOwner.
    """
    before = _locked_role(session, tenant_id, person_id)
    if before == Role.OWNER.value:
        _keep_an_owner(session, tenant_id)
    session.execute(
        delete(Membership).where(Membership.tenant_id == tenant_id, Membership.person_id == person_id),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="member.removed",
        object_type="member",
        object_id=f"{tenant_id}/{person_id}",
        difference={"role": (before, None)},
    )


def _locked_role(session: Session, tenant_id: UUID, person_id: UUID) -> str:
    """Lock the workspace's memberships, so that two changes cannot remove two last owners."""
    session.execute(select(Membership.person_id).where(Membership.tenant_id == tenant_id).with_for_update()).all()
    role = session.scalar(
        select(Membership.role).where(Membership.tenant_id == tenant_id, Membership.person_id == person_id),
    )
    if role is None:
        raise NotFound
    return role


def _keep_an_owner(session: Session, tenant_id: UUID) -> None:
    if queries.owners_count(session=session, tenant_id=tenant_id) <= 1:
        raise LastOwner


def invite(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    invitation_id: UUID,
    tenant_id: UUID,
    email: str,
    role: Role,
    secret: str,
) -> None:
    """Open a workspace to one address for seven days; `secret` is the last part of the link.

    Raises Invalid (email).
    """
    email = email.strip()
    if not is_email(email):
        raise Invalid(errors=(FieldError("email", "email", N_("This is not an e-mail address.")),))
    session.execute(
        insert(Invitation).values(
            id=invitation_id,
            tenant_id=tenant_id,
            email_sealed=ring_of(session).seal(email.encode(), context=queries.context_of_invitation(invitation_id)),
            role=role.value,
            secret_hash=hash_secret(secret),
            created_at=at,
            created_by=actor.person_id,
            expires_at=at + INVITATION_LIFE,
        ),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="invitation.sent",
        object_type="invitation",
        object_id=invitation_id,
        difference={"role": (None, role.value)},
    )


def forget_invitations(*, session: Session, email: str) -> int:
    """Remove every invitation of an address (in small letters), open or over; return how many. Reads them in blocks."""
    last, removed = UUID(int=0), 0
    while rows := session.execute(queries.invitations_after(last)).all():
        ids = [one.id for one in (queries.read_invitation(session, row) for row in rows) if one.email.lower() == email]
        if ids:
            session.execute(delete(Invitation).where(Invitation.id.in_(ids)))
        removed, last = removed + len(ids), rows[-1][0]
    return removed


def revoke_invitation(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID, invitation_id: UUID) -> None:
    """Close an open invitation.

    Raises NotFound.
    """
    result: CursorResult[Any] = session.execute(  # type: ignore[assignment]
        update(Invitation)
        .where(
            Invitation.id == invitation_id,
            Invitation.tenant_id == tenant_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=at),
    )
    if result.rowcount == 0:
        raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="invitation.revoked",
        object_type="invitation",
        object_id=invitation_id,
    )


def revoke_invitations_of(
    *, session: Session, actor: Actor, at: datetime, tenant_id: UUID, person_id: UUID
) -> list[UUID]:
    """Close the open invitations that a person made, and return which they were."""
    rows = session.execute(
        update(Invitation)
        .where(
            Invitation.tenant_id == tenant_id,
            Invitation.created_by == person_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=at)
        .returning(Invitation.id),
    ).all()
    for row in rows:
        record(
            session=session, actor=actor, at=at, action="invitation.revoked", object_type="invitation", object_id=row[0]
        )
    return [row[0] for row in rows]


def accept_invitation(*, session: Session, actor: Actor, at: datetime, secret: str, person_id: UUID) -> str:
    """Take the place that an invitation offers and return the workspace's slug.

    Raises NotFound when the link was used, revoked or has expired.
    """
    row = session.execute(
        update(Invitation)
        .where(
            Invitation.secret_hash == hash_secret(secret),
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > at,
        )
        .values(accepted_at=at)
        .returning(Invitation.tenant_id, Invitation.role),
    ).first()
    if row is None:
        raise NotFound(N_("The invitation was used already, was withdrawn or has expired. Ask for a new one."))
    add_member(session=session, actor=actor, at=at, tenant_id=row[0], person_id=person_id, role=Role(row[1]))
    return session.execute(select(Tenant.slug).where(Tenant.id == row[0])).scalar_one()


def set_origins(*, session: Session, tenant_id: UUID, origins: list[str]) -> None:
    """Keep the origins whose pages may call a workspace's API from a browser."""
    session.execute(update(Tenant).where(Tenant.id == tenant_id).values(origins=origins))


def set_time_zone(*, session: Session, tenant_id: UUID, zone: str) -> None:
    """Keep the time zone in which a workspace means hours and days."""
    session.execute(update(Tenant).where(Tenant.id == tenant_id).values(time_zone=zone))


def set_erasure(*, session: Session, tenant_id: UUID, erase_at: datetime | None, asked_by: UUID | None) -> None:
    """Keep when a workspace is to be erased and who asked for it; nothing of both where it is called back."""
    query = update(Tenant).where(Tenant.id == tenant_id)
    session.execute(query.values(erase_at=erase_at, erase_asked_by=asked_by if erase_at else None))


def set_suspended(*, session: Session, actor: Actor, at: datetime, slug: str, suspended: bool) -> None:
    """Stop or resume a workspace: a suspended one lets nobody in and keeps everything.

    Raises NotFound.
    """
    row = session.execute(
        update(Tenant).where(Tenant.slug == slug).values(suspended_at=at if suspended else None).returning(Tenant.id),
    ).first()
    if row is None:
        raise NotFound(N_("There is no workspace called %(slug)s."), slug=slug)
    action = "tenant.suspended" if suspended else "tenant.resumed"
    record(session=session, actor=actor, at=at, action=action, object_type="tenant", object_id=row[0])


def require_second_factor(
    *, session: Session, actor: Actor, at: datetime, tenant_id: UUID, roles: Collection[str]
) -> None:
    """Let members of these roles in only with a second factor."""
    chosen = sorted(set(roles))
    session.execute(update(Tenant).where(Tenant.id == tenant_id).values(second_factor_roles=chosen))
    record(
        session=session,
        actor=actor,
        at=at,
        action="tenant.second_factor_required",
        object_type="tenant",
        object_id=tenant_id,
        difference={"roles": (None, chosen)},
    )


def set_sso_only(*, session: Session, actor: Actor, at: datetime, tenant_id: UUID, sso_only: bool) -> None:
    """Let members in only through the workspace's single sign-on, or in every way again."""
    session.execute(update(Tenant).where(Tenant.id == tenant_id).values(sso_only=sso_only))
    record(
        session=session,
        actor=actor,
        at=at,
        action="tenant.sso_only_changed",
        object_type="tenant",
        object_id=tenant_id,
        difference={"sso_only": (not sso_only, sso_only)},
    )
