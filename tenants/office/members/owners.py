"""Who owns the workspace is decided by those alone who may decide over owners."""

from uuid import UUID

from flask import g

from tenants.office.members import queries
from webapp.access.door import ask
from webapp.access.permissions import Permission, Role


def mind_owners(*, person_id: UUID | None = None, role: Role | None = None) -> None:
    """Ask the guard once more where an owner's place is given, changed or taken; raises Forbidden."""
    if queries.touches_owners(session=g.db, person_id=person_id, role=role):
        ask(Permission.MEMBERS_OWNERS_WRITE)
