"""Nobody gives a place that permits more than their own, and who owns the workspace only owners decide."""

from uuid import UUID

from flask import g

from tenants.office.members import queries
from webapp.access.door import ask, may_give
from webapp.access.permissions import Permission, Role
from webapp.kernel.errors import N_, FieldError, Invalid


def mind_owners(*, person_id: UUID | None = None, role: Role | None = None) -> None:
    """Ask the guard once more where an owner's place is given, changed or taken, and whether the role may be given.

    Raises Forbidden, Invalid (role).
    """
    if queries.touches_owners(session=g.db, person_id=person_id, role=role):
        ask(Permission.MEMBERS_OWNERS_WRITE)
    if role and not may_give(role):
        message = N_("Choose a role that includes no more than you may do yourself.")
        raise Invalid(errors=(FieldError("role", "beyond", message),))
