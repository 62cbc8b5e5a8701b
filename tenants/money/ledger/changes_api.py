"""JSON API of changes over many entries, their undoing, an entry's history and lock."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.money.accounts import queries as account_queries
from tenants.money.ledger import changes, commands, queries, register
from tenants.money.ledger.bulk import BulkChange
from tenants.money.ledger.search import LENGTH_MAX, read_search
from tenants.money.ledger.shapes import EntryPath
from tenants.schemas import Body, Day, Id, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound
from webapp.web.pagination import answer_page
from webapp.web.state import services

bp = api_room("api_changes", __name__, tag="entries")


class ChangeIn(Body):
    """What to set in entries, named by ids or found by a search line; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ids": [1], "counterparty": "Landlord"}, {"q": "rent", "cleared": True}]}
    )

    ids: list[Id] | None = Field(None, max_length=register.MATCHING_MAX)
    q: str | None = Field(None, max_length=LENGTH_MAX)
    category_id: Id | None = None
    account_id: Id | None = None
    counterparty: str | None = Field(None, max_length=300)
    date: Day | None = None
    note: str | None = Field(None, max_length=4000)
    cleared: bool | None = None
    add_tags: list[str] = Field([], max_length=20)
    remove_tags: list[str] = Field([], max_length=20)
    delete: bool = False


class ChangeOut(BaseModel):
    """What was done: how many entries changed, how many were left and why, and the act's id for undoing."""

    id: UUID
    changed: int
    left: dict[str, int]


class UndoOut(BaseModel):
    """What was put back; the undoing is an act with an id of its own."""

    id: UUID
    entries: int


class VersionOut(BaseModel):
    """What an entry said before a change."""

    version: int
    content: dict[str, Any]
    replaced_at: datetime
    replaced_by: UUID
    deleted: bool


class VersionList(BaseModel):
    """An entry's earlier versions, newest first."""

    data: list[VersionOut]
    next_cursor: None
    has_more: bool


class ChangePath(WorkspacePath):
    """One act."""

    change_id: UUID


@bp.post("/entries/changes", responses={201: ChangeOut}, operation_id="changeEntries", summary="Change many entries")
@requires(Permission.LEDGER_ENTRIES_WRITE)
def change_entries(path: WorkspacePath, body: ChangeIn) -> Response:
    """Change up to 10,000 entries in one act, all or none of those that can take the change."""
    if (body.ids is None) == (body.q is None):
        raise Invalid(errors=(FieldError("ids", "one_of", N_("Name the entries by ids or by q, one of the two.")),))
    ids = body.ids
    if ids is None:
        criteria = read_search(body.q or "", accounts=lambda: account_queries.accounts(session=g.db))
        ids = register.matching_ids(session=g.db, criteria=criteria)
    change = BulkChange(
        category_id=body.category_id,
        account_id=body.account_id,
        counterparty=body.counterparty,
        day=body.date,
        note=body.note,
        cleared=body.cleared,
        add_tags=tuple(body.add_tags),
        remove_tags=tuple(body.remove_tags),
        delete=body.delete,
    )
    change_id = services().new_id()
    outcome = changes.change_entries(session=g.db, actor=g.actor, at=g.at, change_id=change_id, ids=ids, change=change)
    response = jsonify(id=str(change_id), changed=outcome.changed, left=dict(outcome.left))
    response.status_code = 201
    return response


@bp.post(
    "/changes/<uuid:change_id>/undoing", responses={201: UndoOut}, operation_id="undoChange", summary="Undo an act"
)
@requires(Permission.LEDGER_ENTRIES_WRITE)
def undo_change(path: ChangePath) -> Response:
    """Put every entry of an act back, unless something newer happened to one of them."""
    undo_id = services().new_id()
    count = changes.undo_change(session=g.db, actor=g.actor, at=g.at, change_id=path.change_id, undo_id=undo_id)
    response = jsonify(id=str(undo_id), entries=count)
    response.status_code = 201
    return response


@bp.get(
    "/entries/<int:entry_id>/versions",
    responses={200: VersionList},
    operation_id="listEntryVersions",
    summary="List an entry's versions",
)
@requires(Permission.LEDGER_ENTRIES_READ)
def list_versions(path: EntryPath) -> Response:
    """Return what an entry said before each change, newest first (at most 200); kept also after a deletion."""
    found = queries.history(session=g.db, entry_id=path.entry_id)
    if not found and queries.entry(session=g.db, entry_id=path.entry_id) is None:
        raise NotFound
    data = [
        {
            "version": one.version,
            "content": one.content,
            "replaced_at": one.replaced_at.isoformat(),
            "replaced_by": str(one.replaced_by),
            "deleted": one.deleted,
        }
        for one in found
    ]
    return answer_page(data, None)


@bp.post("/entries/<int:entry_id>/closing", responses={204: None}, operation_id="closeEntry", summary="Lock an entry")
@requires(Permission.LEDGER_ENTRIES_CLOSE)
def close_entry(path: EntryPath) -> tuple[str, int]:
    """Lock an entry for good: it can only be reversed afterwards."""
    commands.close_entry(session=g.db, actor=g.actor, at=g.at, entry_id=path.entry_id)
    return "", 204
