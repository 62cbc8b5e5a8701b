"""Who is in the workspace and who is invited, with their names; on a transaction bound to the workspace."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.access.permissions import Role
from webapp.identity import queries as identity
from webapp.kernel.db import bound_tenant, on_platform
from webapp.tenancy import queries as tenancy
from webapp.tenancy.queries import InvitationView


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member with the name and the address that others see."""

    person_id: UUID
    name: str
    email: str
    role: str
    since: datetime


def members(*, session: Session) -> list[MemberRow]:
    """Return the members, longest first (at most 500)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        places = tenancy.members(session=session, tenant_id=tenant.id)
        people = identity.people(session=session, ids={place.person_id for place in places})
    return [
        MemberRow(
            place.person_id, people[place.person_id].name, people[place.person_id].email, place.role, place.created_at
        )
        for place in places
    ]


def member(*, session: Session, person_id: UUID) -> MemberRow | None:
    """Return one member."""
    return next((row for row in members(session=session) if row.person_id == person_id), None)


def touches_owners(*, session: Session, person_id: UUID | None = None, role: Role | None = None) -> bool:
    """Tell whether giving a role, or changing the place of a person, decides who owns the workspace."""
    found = member(session=session, person_id=person_id) if person_id else None
    return role is Role.OWNER or (found is not None and found.role == Role.OWNER.value)


def invitations(*, session: Session, at: datetime) -> list[InvitationView]:
    """Return the open invitations, newest first (at most 500)."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return tenancy.open_invitations(session=session, tenant_id=tenant.id, at=at)
