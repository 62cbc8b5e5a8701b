"""Shape who may do what: the workspace's own roles, who has them, and grants until a moment.

Nobody gives more than they may themselves: `giver` are the permissions of whoever acts. What is given only ever adds
to what the role of a member permits, so no change can take anything from an owner.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from tenants.office.access import queries
from webapp.access import commands as access
from webapp.access.permissions import BOOKS, PER_ACCOUNT, Permission, Role
from webapp.access.shaping import grant_policy, role_policy
from webapp.access.terms import Conditions, read_conditions
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.db import TenantRef, bound_tenant, on_platform
from webapp.kernel.errors import N_, Conflict, FieldError, Invalid, NotFound
from webapp.tenancy import commands as tenancy

NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
TITLE_MAX = 80
NOTE_MAX = 200
GRANT_LIFE_MAX = timedelta(days=366)


class RoleTaken(Conflict):
    """There is a role of this name."""

    code = "role_taken"
    message = N_("There is a role called %(name)s already.")


@dataclass(frozen=True, slots=True)
class ShapeDraft:
    """What is chosen: permissions and conditions as they were typed."""

    permissions: tuple[str, ...]
    second_factor: bool = False
    networks: str = ""
    begins: str = ""
    ends: str = ""
    working_days: bool = False
    account: str = ""
    """The account to which it is limited, with all below it; none for the workspace."""
    amount: str = ""
    currency: str = ""
    """At most so much may be booked by an entry."""

    @property
    def conditions(self) -> dict[str, Any]:
        """Return what was typed of conditions, to be kept beside the policy."""
        kept = {
            "second_factor": self.second_factor,
            "networks": self.networks,
            "begins": self.begins,
            "ends": self.ends,
            "working_days": self.working_days,
            "account": self.account,
            "amount": self.amount,
            "currency": self.currency if self.amount else "",
        }
        return {name: value for name, value in kept.items() if value}


@dataclass(frozen=True, slots=True)
class RoleDraft:
    """A role to be made or changed."""

    name: str
    title: str
    shape: ShapeDraft = field(default_factory=lambda: ShapeDraft(()))


def _read(
    session: Session, draft: ShapeDraft, giver: frozenset[Permission], until: datetime | None = None
) -> tuple[Any, Conditions]:
    chosen = []
    for text in dict.fromkeys(draft.permissions):
        if text not in set(Permission):
            raise Invalid(errors=(FieldError("permissions", "choice", N_("Choose one of the offered values.")),))
        chosen.append(Permission(text))
    if not chosen:
        raise Invalid(errors=(FieldError("permissions", "missing", N_("Choose at least one permission.")),))
    beyond = [one for one in chosen if one not in giver]
    if beyond:
        message = N_("You cannot give what you may not do yourself without conditions: %(permission)s.")
        raise Invalid(errors=(FieldError("permissions", "beyond", message, {"permission": beyond[0].value}),))
    conditions = read_conditions(
        second_factor=draft.second_factor,
        networks=draft.networks,
        begins=draft.begins,
        ends=draft.ends,
        working_days=draft.working_days,
        until=until,
        account=draft.account,
        amount=draft.amount,
        currency=draft.currency,
    )
    others = [one for one in chosen if one not in BOOKS]
    if conditions.amount is not None and others:
        message = N_("An amount limits what is booked; %(permission)s books nothing. Give it apart.")
        raise Invalid(errors=(FieldError("amount", "books", message, {"permission": others[0].value}),))
    named = conditions.account_id
    if named is not None and not queries.is_account(session=session, account_id=named):
        raise Invalid(errors=(FieldError("account", "choice", N_("Choose one of the offered values.")),))
    whole = [one for one in chosen if one not in PER_ACCOUNT]
    if named is not None and whole:
        message = N_("%(permission)s cannot be limited to an account.")
        raise Invalid(errors=(FieldError("permissions", "account", message, {"permission": whole[0].value}),))
    return tuple(chosen), conditions


def make_role(*, session: Session, actor: Actor, at: datetime, draft: RoleDraft, giver: frozenset[Permission]) -> None:
    """Make a role of the workspace's own; raises Invalid (name, title, permissions, conditions), RoleTaken."""
    if not NAME.fullmatch(draft.name):
        message = N_("Use small letters, digits and hyphens, beginning with a letter.")
        raise Invalid(errors=(FieldError("name", "name", message),))
    tenant = _take_policies(session)
    if draft.name in set(Role) or queries.role(session=session, name=draft.name):
        raise RoleTaken(name=draft.name)
    _write(session=session, actor=actor, at=at, tenant=tenant, draft=draft, giver=giver, before=None)


def change_role(
    *, session: Session, actor: Actor, at: datetime, draft: RoleDraft, giver: frozenset[Permission]
) -> None:
    """Change one of the workspace's own roles; raises NotFound, Invalid (title, permissions, conditions)."""
    tenant, before = _take_policies(session), _own(session, draft.name)
    _write(session=session, actor=actor, at=at, tenant=tenant, draft=draft, giver=giver, before=before)


def _write(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    tenant: TenantRef,
    draft: RoleDraft,
    giver: frozenset[Permission],
    before: queries.RoleView | None,
) -> None:
    title = draft.title.strip()
    if not 1 <= len(title) <= TITLE_MAX:
        raise Invalid(errors=(FieldError("title", "length", N_("Give it a name of at most 80 characters.")),))
    # What the role has already stays, whoever changes it, as long as it stays under the same conditions.
    is_as_limited = before is not None and before.own is not None and before.own.conditions == draft.shape.conditions
    already = before.permissions if before and is_as_limited else frozenset()
    permissions, conditions = _read(session, draft.shape, giver | {one for one in Permission if one.value in already})
    policy = role_policy(draft.name, permissions, conditions)
    shape = access.Shape(permissions, draft.shape.conditions, policy)
    with on_platform(session):
        access.write_role(session=session, at=at, tenant_id=tenant.id, name=draft.name, title=title, shape=shape)
    record(
        session=session,
        actor=actor,
        at=at,
        action="access.role_changed" if before else "access.role_made",
        object_type="access_role",
        object_id=draft.name,
        difference={
            "title": (before.title if before else None, title),
            "permissions": (sorted(before.permissions) if before else None, [one.value for one in permissions]),
            "policy": (before.policy if before else None, policy),
        },
    )


def remove_role(*, session: Session, actor: Actor, at: datetime, name: str) -> None:
    """Remove one of the workspace's own roles, from whoever has it too; raises NotFound."""
    tenant, before = _take_policies(session), _own(session, name)
    holders = [one for one in queries.members(session=session) if name in one.own_roles]
    with on_platform(session):
        for one in holders:
            rest = tuple(other for other in one.own_roles if other != name)
            tenancy.set_own_roles(session=session, tenant_id=tenant.id, person_id=one.person_id, names=rest)
        access.drop_role(session=session, tenant_id=tenant.id, name=name)
    record(
        session=session,
        actor=actor,
        at=at,
        action="access.role_removed",
        object_type="access_role",
        object_id=name,
        difference={"title": (before.title, None), "permissions": (sorted(before.permissions), None)},
    )


def assign(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    name: str,
    person_ids: frozenset[UUID],
    giver: frozenset[Permission],
) -> None:
    """Let exactly these members have one of the workspace's own roles; raises NotFound, Invalid (person_ids)."""
    tenant, role = _take_policies(session), _own(session, name)
    members = queries.members(session=session)
    if person_ids - {one.person_id for one in members}:
        raise Invalid(errors=(FieldError("person_ids", "choice", N_("Only members can have a role.")),))
    gained = [one for one in members if one.person_id in person_ids and name not in one.own_roles]
    lost = [one for one in members if one.person_id not in person_ids and name in one.own_roles]
    if gained and not role.permissions <= {one.value for one in giver}:
        beyond = min(role.permissions - {one.value for one in giver})
        message = N_("You cannot give what you may not do yourself without conditions: %(permission)s.")
        raise Invalid(errors=(FieldError("person_ids", "beyond", message, {"permission": beyond}),))
    with on_platform(session):
        for one in (*gained, *lost):
            names = tuple(sorted({*one.own_roles, name} if one in gained else {*one.own_roles} - {name}))
            tenancy.set_own_roles(session=session, tenant_id=tenant.id, person_id=one.person_id, names=names)
    for one in (*gained, *lost):
        record(
            session=session,
            actor=actor,
            at=at,
            action="access.role_assigned",
            object_type="member",
            object_id=one.person_id,
            difference={"role": (None, name) if one in gained else (name, None)},
        )


def grant(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    grant_id: UUID,
    person_id: UUID,
    shape: ShapeDraft,
    until: datetime,
    note: str,
    giver: frozenset[Permission],
) -> None:
    """Permit a member something until a moment; raises Invalid (person_id, permissions, until, note, conditions)."""
    tenant = _take_policies(session)
    if person_id not in {one.person_id for one in queries.members(session=session)}:
        raise Invalid(errors=(FieldError("person_id", "choice", N_("Only members can have a grant.")),))
    if not at < until <= at + GRANT_LIFE_MAX:
        raise Invalid(errors=(FieldError("until", "range", N_("A grant ends in the future, within 366 days.")),))
    if len(note) > NOTE_MAX:
        raise Invalid(errors=(FieldError("note", "length", N_("Write at most 200 characters.")),))
    permissions, conditions = _read(session, shape, giver, until)
    policy = grant_policy(grant_id, person_id, permissions, conditions)
    with on_platform(session):
        access.write_grant(
            session=session,
            at=at,
            tenant_id=tenant.id,
            grant_id=grant_id,
            person_id=person_id,
            granted_by=actor.person_id,
            note=note,
            expires_at=until,
            shape=access.Shape(permissions, shape.conditions, policy),
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="access.granted",
        object_type="access_grant",
        object_id=grant_id,
        difference={
            "person": (None, str(person_id)),
            "permissions": (None, [one.value for one in permissions]),
            "policy": (None, policy),
        },
    )


def revoke_grant(*, session: Session, actor: Actor, at: datetime, grant_id: UUID) -> None:
    """End a grant before its time; raises NotFound."""
    tenant = _take_policies(session)
    with on_platform(session):
        if not access.end_grant(session=session, at=at, tenant_id=tenant.id, grant_id=grant_id):
            raise NotFound
    record(
        session=session,
        actor=actor,
        at=at,
        action="access.grant_revoked",
        object_type="access_grant",
        object_id=grant_id,
    )


def _take_policies(session: Session) -> TenantRef:
    """Let every process decide anew after the commit, and whoever else shapes the workspace wait until then.

    Taken before anything is read that is written again: of two who give one member a role, none takes the other's away.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        tenancy.raise_access_revision(session=session, tenant_id=tenant.id)
    return tenant


def _own(session: Session, name: str) -> queries.RoleView:
    found = queries.role(session=session, name=name)
    if found is None or not found.is_own:
        raise NotFound
    return found
