"""JSON API of the closings of periods."""

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.idempotency import once
from tenants.lists import fields_of, page_of
from tenants.money.periods import commands, queries
from tenants.money.periods.queries import ClosingView
from tenants.money.periods.rules import ClosingDraft
from tenants.schemas import Body, Day, Id, ListQuery, WorkspacePath
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_periods", __name__, tag="periods")


class ClosingIn(Body):
    """A period to close, both days included."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"starts": "2025-01-01", "ends": "2025-12-31", "note": "Accounts of 2025 approved"}]
        }
    )

    starts: Day
    ends: Day
    note: str = Field("", max_length=1000, examples=["Accounts of 2025 approved"])


class ClosingOut(BaseModel):
    """The closing of a period: who and when, and who reopened it."""

    id: int
    starts: Day
    ends: Day
    note: str
    closed_at: datetime
    closed_by: UUID
    reopened_at: datetime | None
    reopened_by: UUID | None


ClosingList = page_of(ClosingOut, "A page of closings, newest first.")


class ClosingQuery(ListQuery):
    """A page of closings, newest first."""

    fields: fields_of(ClosingOut) = None


class ClosingPath(WorkspacePath):
    """One closing of a workspace."""

    closing_id: Id


def closing_out(closing: ClosingView) -> dict[str, Any]:
    """Write a closing for JSON."""
    return {
        "id": closing.id,
        "starts": closing.starts.isoformat(),
        "ends": closing.ends.isoformat(),
        "note": closing.note,
        "closed_at": closing.closed_at.isoformat(),
        "closed_by": str(closing.closed_by),
        "reopened_at": closing.reopened_at.isoformat() if closing.reopened_at else None,
        "reopened_by": str(closing.reopened_by) if closing.reopened_by else None,
    }


@bp.get(
    "/period-closings",
    responses={200: ClosingList},
    operation_id="listPeriodClosings",
    summary="List closings of periods",
)
@requires(Permission.LEDGER_PERIODS_READ)
def list_closings(path: WorkspacePath, query: ClosingQuery) -> Response:
    """List closings, newest first."""
    position = read_cursor("period-closings", query.cursor)
    rows = queries.closings(session=g.db, limit=query.limit + 1, before_id=position[0] if position else None)
    page, cursor = cut(rows, query.limit, "period-closings", lambda row: [row.id])
    return answer_page([closing_out(row) for row in page], cursor)


@bp.post("/period-closings", responses={201: ClosingOut}, operation_id="closePeriod", summary="Close a period")
@requires(Permission.LEDGER_PERIODS_CLOSE)
@promises(key="optional")
def close_period(path: WorkspacePath, body: ClosingIn) -> Response:
    """Close a period: from then on nothing in it is booked, changed or deleted."""

    def act() -> tuple[Any, int, str]:
        draft = ClosingDraft(body.starts, body.ends, body.note)
        closing = commands.close_period(session=g.db, actor=g.actor, at=g.at, draft=draft)
        return closing_out(closing), 201, f"/api/v1/t/{g.slug}/period-closings/{closing.id}"

    return once(act, required=False)


@bp.get(
    "/period-closings/<int:closing_id>",
    responses={200: ClosingOut},
    operation_id="getPeriodClosing",
    summary="Get the closing of a period",
)
@requires(Permission.LEDGER_PERIODS_READ)
def get_closing(path: ClosingPath) -> Response:
    """One closing."""
    closing = queries.closing(session=g.db, closing_id=path.closing_id)
    if closing is None:
        raise NotFound
    return jsonify(closing_out(closing))


@bp.post(
    "/period-closings/<int:closing_id>/reopening",
    responses={201: ClosingOut},
    operation_id="reopenPeriod",
    summary="Reopen a period",
)
@requires(Permission.LEDGER_PERIODS_REOPEN)
@promises(key="optional")
def reopen_period(path: ClosingPath) -> Response:
    """Let a period be booked in again; the closing stays on record."""

    def act() -> tuple[Any, int, str]:
        closing = commands.reopen_period(session=g.db, actor=g.actor, at=g.at, closing_id=path.closing_id)
        return closing_out(closing), 201, f"/api/v1/t/{g.slug}/period-closings/{closing.id}"

    return once(act, required=False)
