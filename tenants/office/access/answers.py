"""Answers to who may do what, for pages and calls alike."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import current_app, g

from tenants.office.access import queries
from webapp.access.permissions import PER_ACCOUNT, Permission
from webapp.access.queries import GrantView
from webapp.kernel.errors import NotFound
from webapp.web.pagination import read_cursor

ACCOUNTS = "account_choices"
"""Under this name the application keeps who tells the accounts of the workspace, as (id, name)."""
ACCOUNT_PATH = "account_path"
"""Under this name it keeps who tells an account with all above it, the nearest first; raises NotFound."""


GRANTS = "access_grants"
"""The name of the list of grants in its cursors."""


def place_of(row: GrantView) -> list[str]:
    """Return where a grant stands in the list, for a cursor."""
    return [row.created_at.isoformat(), str(row.id)]


def read_place(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Read where a page of grants begins; raises Invalid (cursor)."""
    position = read_cursor(GRANTS, cursor)
    return None if position is None else (datetime.fromisoformat(position[0]), UUID(position[1]))


def answer_of(person_id: UUID | None, permission: str, account_id: int | None = None) -> dict[str, Any]:
    """Answer for one member, for one permission, or for both, of the workspace or of one account.

    Raises NotFound for what there is not, as for a permission on an account that cannot be given on accounts.
    """
    path: list[int] = current_app.extensions[ACCOUNT_PATH](account_id) if account_id is not None else []
    if path and permission and permission not in PER_ACCOUNT:
        raise NotFound
    about = {"rulebook": g.rulebook, "at": g.at, "zone": g.tenant.time_zone, "path": path}
    members = queries.members(session=g.db)
    member = next((one for one in members if one.person_id == person_id), None)
    if (person_id and member is None) or (permission and permission not in set(Permission)):
        raise NotFound
    wanted = Permission(permission) if permission else None
    decision = member and wanted and queries.explain(member=member, permission=wanted, **about)
    people = queries.who_may(among=members, permission=wanted, **about) if wanted and not member else []
    may = queries.may_do(member=member, **about) if member and not wanted else frozenset()
    return {"member": member, "decision": decision, "people": people, "may": may}
