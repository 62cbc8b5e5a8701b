"""JSON API of saved views: searches that are kept under a name."""

from typing import Any

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.money.ledger import views
from tenants.money.ledger.search import LENGTH_MAX
from tenants.schemas import Body, Id, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.pagination import answer_page

bp = api_room("api_views", __name__, tag="entries")


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
