"""JSON API of changes over many entries, their undoing, an entry's history and lock, and saved views."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import API_PREFIX, guard_room
from tenants.money.accounts import queries as account_queries
from tenants.money.ledger import changes, commands, queries, register, views
from tenants.money.ledger.changes import BulkChange
from tenants.money.ledger.search import LENGTH_MAX, read_search
from tenants.schemas import PROBLEMS, Body, Day, Id, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound
from webapp.web.pagination import answer_page
from webapp.web.state import services

bp = APIBlueprint(
    "api_changes",
    __name__,
    url_prefix=API_PREFIX,
    abp_tags=[Tag(name="entries")],
    abp_responses=PROBLEMS,
    abp_security=[{"token": []}],
)
guard_room(bp)


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


class EntryPath(WorkspacePath):
    """One entry of a workspace."""

    entry_id: Id


class ViewIn(Body):
    """A search to keep."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Rent", "q": "rent", "shared": True}]})

    name: str = Field(min_length=1, max_length=100)
    q: str = Field("", max_length=LENGTH_MAX)
    shared: bool = False
    is_default: bool = False


class ViewOut(BaseModel):
    """A search that is kept; `own` when it is yours."""

    id: int
    name: str
    q: str
    shared: bool
    is_default: bool
    own: bool


class ViewMade(BaseModel):
    """The id of a search that was kept."""

    id: int


class ViewList(BaseModel):
    """Your own views and those that members share."""

    data: list[ViewOut]
    next_cursor: None
    has_more: bool


class ViewPath(WorkspacePath):
    """One kept search."""

    view_id: Id


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


@bp.get("/views", responses={200: ViewList}, operation_id="listViews", summary="List saved views")
@requires(Permission.LEDGER_ENTRIES_READ)
def list_views(path: WorkspacePath) -> Response:
    """Return your own views and those that members share."""
    found = views.views(session=g.db, person_id=g.actor.person_id)
    return answer_page([_view_out(one) for one in found], None)


def _view_out(view: views.View) -> dict[str, Any]:
    return {
        "id": view.id,
        "name": view.name,
        "q": view.query,
        "shared": view.shared,
        "is_default": view.is_default,
        "own": view.person_id == g.actor.person_id,
    }


@bp.post("/views", responses={201: ViewMade}, operation_id="saveView", summary="Keep a search")
@requires(Permission.LEDGER_VIEWS_WRITE)
def save_view(path: WorkspacePath, body: ViewIn) -> Response:
    """Keep a search under a name; your view of the same name is replaced."""
    view_id = views.save_view(
        session=g.db,
        actor=g.actor,
        at=g.at,
        name=body.name,
        query=body.q,
        shared=body.shared,
        is_default=body.is_default,
    )
    response = jsonify(id=view_id)
    response.status_code = 201
    return response


@bp.delete("/views/<int:view_id>", responses={204: None}, operation_id="removeView", summary="Forget a search")
@requires(Permission.LEDGER_VIEWS_WRITE)
def remove_view(path: ViewPath) -> tuple[str, int]:
    """Remove one of your own views."""
    views.remove_view(session=g.db, actor=g.actor, at=g.at, view_id=path.view_id)
    return "", 204
