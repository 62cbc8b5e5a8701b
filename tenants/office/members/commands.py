"""Invite people, change their roles, take their place away: on the platform's tables and in the workspace's trail."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from tenants.office.members import queries
from webapp.access.permissions import Role
from webapp.audit.commands import record
from webapp.identity import queries as people
from webapp.identity import tokens
from webapp.identity.notices import tell
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound
from webapp.mail.commands import send_mail
from webapp.tenancy import commands as tenancy
from webapp.tenancy import queries as registry

INVITATIONS_MAX = 200


class AlreadyMember(Conflict):
    """The invited person is in the workspace."""

    code = "already_member"
    message = N_("%(email)s is already a member of this workspace.")


class TooManyInvitations(Conflict):
    """The workspace has as many open invitations as one may have."""

    code = "too_many_invitations"
    message = N_("There are already %(maximum)s open invitations. Withdraw some first.")


@dataclass(frozen=True, slots=True)
class InvitationDraft:
    """Whom to invite as what; `link` is the whole address that the letter tells, `secret` its last part."""

    email: str
    role: Role
    secret: str
    link: str


def invite(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    invitation_id: UUID,
    job_id: UUID,
    draft: InvitationDraft,
    workspace: str,
    invited_by: str,
    language: str,
) -> None:
    """Open the workspace to one address for seven days and send the letter; an older invitation gives way to it.

    Raises Invalid (email), AlreadyMember, TooManyInvitations.
    """
    tenant, email = bound_tenant(session), draft.email.strip()
    known = {row.email.casefold() for row in queries.members(session=session)}
    if email.casefold() in known:
        raise AlreadyMember(email=email)
    waiting = queries.invitations(session=session, at=at)
    for older in waiting:
        if older.email.casefold() == email.casefold():
            revoke_invitation(session=session, actor=actor, at=at, invitation_id=older.id)
    if len(waiting) >= INVITATIONS_MAX:
        raise TooManyInvitations(maximum=INVITATIONS_MAX)
    with on_platform(session):
        tenancy.invite(
            session=session,
            actor=actor,
            at=at,
            invitation_id=invitation_id,
            tenant_id=tenant.id,
            email=email,
            role=draft.role,
            secret=draft.secret,
        )
        reader = people.person_by_email(session=session, email=email)
    record(
        session=session,
        actor=actor,
        at=at,
        action="invitation.sent",
        object_type="invitation",
        object_id=invitation_id,
        difference={"role": (None, draft.role.value)},
    )
    send_mail(
        session=session,
        actor=actor,
        at=at,
        job_id=job_id,
        to=email,
        letter="invitation",
        language=reader.language if reader else language,
        values={"workspace": workspace, "invited_by": invited_by, "link": draft.link},
    )


def revoke_invitation(*, session: Session, actor: Actor, at: datetime, invitation_id: UUID) -> None:
    """Withdraw an open invitation.

    Raises NotFound.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        tenancy.revoke_invitation(session=session, actor=actor, at=at, tenant_id=tenant.id, invitation_id=invitation_id)
    record(
        session=session,
        actor=actor,
        at=at,
        action="invitation.revoked",
        object_type="invitation",
        object_id=invitation_id,
    )


def change_role(*, session: Session, actor: Actor, at: datetime, person_id: UUID, role: Role) -> None:
    """Give a member another role.

    Raises NotFound, LastOwner.
    """
    tenant, before = bound_tenant(session), _member(session, person_id)
    if before.role == role.value:
        return
    with on_platform(session):
        tenancy.change_role(session=session, actor=actor, at=at, tenant_id=tenant.id, person_id=person_id, role=role)
        told = {
            "workspace": registry.tenant_name(session=session, tenant_id=tenant.id),
            "role": role.value,
            "by": people.called(session=session, actor=actor),
        }
        tell(session=session, actor=actor, at=at, person_id=person_id, kind="role_changed", params=told)
        withdrawn = []
        if before.role == Role.OWNER.value:
            withdrawn = tenancy.revoke_invitations_of(
                session=session, actor=actor, at=at, tenant_id=tenant.id, person_id=person_id
            )
    _note_withdrawn(session, actor, at, withdrawn)
    record(
        session=session,
        actor=actor,
        at=at,
        action="member.role_changed",
        object_type="member",
        object_id=person_id,
        difference={"role": (before.role, role.value)},
    )


def remove_member(*, session: Session, actor: Actor, at: datetime, person_id: UUID) -> None:
    """Take a member's place away and revoke their tokens, so that a later invitation does not bring them back.

    Raises NotFound, LastOwner.
    """
    tenant, before = bound_tenant(session), _member(session, person_id)
    with on_platform(session):
        tenancy.remove_member(session=session, actor=actor, at=at, tenant_id=tenant.id, person_id=person_id)
        for token in people.tokens(session=session, tenant_id=tenant.id, person_id=person_id):
            if token.revoked_at is None:
                tokens.revoke_token(
                    session=session, actor=actor, at=at, tenant_id=tenant.id, token_id=token.id, person_id=person_id
                )
        told = {
            "workspace": registry.tenant_name(session=session, tenant_id=tenant.id),
            "by": people.called(session=session, actor=actor),
        }
        tell(session=session, actor=actor, at=at, person_id=person_id, kind="member_removed", params=told)
        withdrawn = tenancy.revoke_invitations_of(
            session=session, actor=actor, at=at, tenant_id=tenant.id, person_id=person_id
        )
    _note_withdrawn(session, actor, at, withdrawn)
    record(
        session=session,
        actor=actor,
        at=at,
        action="member.removed",
        object_type="member",
        object_id=person_id,
        difference={"role": (before.role, None)},
    )


def _note_withdrawn(session: Session, actor: Actor, at: datetime, invitations: list[UUID]) -> None:
    """Note which invitations ended because whoever made them may invite nobody any more."""
    for one in invitations:
        record(
            session=session, actor=actor, at=at, action="invitation.revoked", object_type="invitation", object_id=one
        )


def role_named(text: str) -> Role:
    """Return the role of this name.

    Raises Invalid (role).
    """
    if text not in set(Role):
        raise Invalid(errors=(FieldError("role", "choice", N_("Choose one of the offered values.")),))
    return Role(text)


def _member(session: Session, person_id: UUID) -> queries.MemberRow:
    found = queries.member(session=session, person_id=person_id)
    if found is None:
        raise NotFound
    return found
