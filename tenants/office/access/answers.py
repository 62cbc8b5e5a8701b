"""Answers to who may do what, for pages and calls alike."""

from typing import Any
from uuid import UUID

from flask import g

from tenants.office.access import queries
from webapp.access.guard import permitted
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound


def giver() -> frozenset[Permission]:
    """Return what whoever acts may, and so may give."""
    return permitted(asker=g.asker, rulebook=g.rulebook)


def answer_of(person_id: UUID | None, permission: str) -> dict[str, Any]:
    """Answer for one member, for one permission, or for both; raises NotFound for what there is not."""
    members = queries.members(session=g.db)
    member = next((one for one in members if one.person_id == person_id), None)
    if (person_id and member is None) or (permission and permission not in set(Permission)):
        raise NotFound
    wanted, book = Permission(permission) if permission else None, g.rulebook
    decision = member and wanted and queries.explain(member=member, permission=wanted, rulebook=book, at=g.at)
    people = queries.who_may(among=members, permission=wanted, rulebook=book, at=g.at) if wanted and not member else []
    may = queries.may_do(member=member, rulebook=book, at=g.at) if member and not wanted else frozenset()
    return {"member": member, "decision": decision, "people": people, "may": may}
