"""Who may do what in the workspace, and why: on a transaction bound to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.access import queries as access
from webapp.access.asker import Asker
from webapp.access.guard import Decision, decide, permitted
from webapp.access.permissions import PER_ACCOUNT, Permission, Role
from webapp.access.product import product_policies
from webapp.access.queries import GrantView, OwnRole
from webapp.access.rulebook import Rulebook
from webapp.identity import queries as identity
from webapp.kernel.db import bound_tenant, on_platform
from webapp.tenancy import queries as tenancy


@dataclass(frozen=True, slots=True)
class Member:
    """A member with their role, and the workspace's own roles that they have besides."""

    person_id: UUID
    name: str
    email: str
    role: Role
    own_roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role: one that comes with Comptoir, or one of the workspace's own."""

    name: str
    title: str
    is_own: bool
    permissions: frozenset[str]
    policy: str
    own: OwnRole | None = None


def members(*, session: Session) -> list[Member]:
    """Return the members, longest first (at most 500)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        places = tenancy.members(session=session, tenant_id=tenant.id)
        people = identity.people(session=session, ids={place.person_id for place in places})
    return [
        Member(
            place.person_id,
            people[place.person_id].name,
            people[place.person_id].email,
            Role(place.role),
            tuple(place.own_roles),
        )
        for place in places
    ]


def roles(*, session: Session) -> list[RoleView]:
    """Return the seven roles that come with Comptoir, then the workspace's own by name."""
    tenant = bound_tenant(session)
    with on_platform(session):
        own = access.own_roles(session=session, tenant_id=tenant.id)
    policies = product_policies()
    found = []
    for role in Role:
        may = frozenset(one.value for one in permitted(asker=Asker(role)))
        shipped = policies.policy(role.value) or policies.policy("everybody")
        found.append(RoleView(role.value, "", False, may, shipped.text if shipped else ""))
    return found + [RoleView(one.name, one.title, True, frozenset(one.permissions), one.policy, one) for one in own]


def role(*, session: Session, name: str) -> RoleView | None:
    """Return one role."""
    return next((one for one in roles(session=session) if one.name == name), None)


def grants(*, session: Session, limit: int, before: tuple[datetime, UUID] | None = None) -> list[GrantView]:
    """Return at most `limit` grants, newest first, older than `before`."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return access.grants(session=session, tenant_id=tenant.id, limit=limit, before=before)


def live_grants(*, session: Session, at: datetime) -> list[GrantView]:
    """Return the grants that hold now, newest first (at most 500, as there are no more)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return access.live_grants(session=session, tenant_id=tenant.id, at=at)


def grant(*, session: Session, grant_id: UUID) -> GrantView | None:
    """Return one grant."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return access.grant(session=session, tenant_id=tenant.id, grant_id=grant_id)


def is_account(*, session: Session, account_id: int) -> bool:
    """Tell whether the workspace has an account of this id."""
    return session.scalar(text("SELECT EXISTS (SELECT FROM account WHERE id = :id)"), {"id": account_id}) is True


def explain(
    *,
    member: Member,
    permission: Permission,
    rulebook: Rulebook,
    at: datetime,
    zone: str = "UTC",
    path: Sequence[int] = (),
) -> Decision:
    """Tell whether a member may, and by which policy; as if they asked now, in the browser, with one factor.

    With a `path` it is about one account: itself and those above it, the nearest first.
    """
    return decide(permission, asker=_asker(member, at, zone), rulebook=rulebook, path=path)


def who_may(
    *,
    among: list[Member],
    permission: Permission,
    rulebook: Rulebook,
    at: datetime,
    zone: str = "UTC",
    path: Sequence[int] = (),
) -> list[Member]:
    """Return the members who may, as if they asked now."""
    asked = {"permission": permission, "rulebook": rulebook, "at": at, "zone": zone, "path": path}
    return [one for one in among if explain(member=one, **asked).permit]


def may_do(
    *, member: Member, rulebook: Rulebook, at: datetime, zone: str = "UTC", path: Sequence[int] = ()
) -> frozenset[Permission]:
    """Return everything that a member may, as if they asked now; of an account what can be given on accounts."""
    if not path:
        return permitted(asker=_asker(member, at, zone), rulebook=rulebook)
    asked = {"member": member, "rulebook": rulebook, "at": at, "zone": zone, "path": path}
    return frozenset(one for one in PER_ACCOUNT if explain(permission=one, **asked).permit)


def _asker(member: Member, at: datetime, zone: str) -> Asker:
    return Asker(member.role, member.own_roles, member.person_id, at=at, zone=zone)
