"""JSON API of holds."""

from datetime import datetime
from typing import Any, Literal

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.idempotency import once
from tenants.lists import fields_of, page_of
from tenants.money.accounts.shown import keep_account, keep_within, kept_ids
from tenants.money.holds import commands, queries
from tenants.money.holds.queries import HoldView
from tenants.money.holds.rules import HoldDraft
from tenants.schemas import (
    AmountText,
    Body,
    CurrencyCode,
    Day,
    Id,
    InstantIn,
    ListQuery,
    MoneyOut,
    WorkspacePath,
    minor_in,
    money_errors,
    money_out,
)
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid, NotFound
from webapp.kernel.money import MoneyError
from webapp.web.contract import promises
from webapp.web.limits import moves_money
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = api_room("api_holds", __name__, tag="holds")
keep_within(bp, "hold_id", lambda key: queries.account_of(session=g.db, hold_id=key))

StateName = Literal["active", "captured", "released", "expired"]


class HoldIn(Body):
    """Money to reserve on an account."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "account_id": 1,
                    "amount": "80.00",
                    "currency": "EUR",
                    "description": "Deposit of the hall",
                    "expires_at": "2027-01-31T00:00:00Z",
                }
            ]
        }
    )

    account_id: Id
    amount: AmountText
    currency: CurrencyCode
    description: str = Field("", max_length=1000, examples=["Deposit of the hall"])
    expires_at: InstantIn | None = Field(None, examples=["2027-01-31T00:00:00Z"])


class CaptureIn(Body):
    """Where the money goes; a smaller amount than is held releases the rest."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"to_account_id": 2, "amount": "75.00"}]})

    to_account_id: Id
    amount: AmountText | None = Field(None, description="All that is held when it is not given.")
    date: Day | None = Field(None, description="Day of the entry; today when it is not given.")
    description: str = Field("", max_length=1000)


class HoldOut(BaseModel):
    """A hold."""

    id: int
    account_id: int
    amount: str
    amount_minor: int
    currency: str
    description: str
    state: StateName
    placed_at: datetime
    expires_at: datetime | None
    settled_at: datetime | None
    captured: MoneyOut | None
    entry_id: int | None


HoldList = page_of(HoldOut, "A page of holds, newest first.")


class HoldPath(WorkspacePath):
    """One hold of a workspace."""

    hold_id: Id


class HoldsQuery(ListQuery):
    """A page of holds, of one account or in one state."""

    account_id: Id | None = None
    state: StateName | None = None
    fields: fields_of(HoldOut) = None


def hold_out(hold: HoldView) -> dict[str, Any]:
    """Write a hold for JSON."""
    return {
        "id": hold.id,
        "account_id": hold.account_id,
        **money_out(hold.amount, hold.currency),
        "description": hold.description,
        "state": hold.state,
        "placed_at": hold.placed_at.isoformat(),
        "expires_at": hold.expires_at.isoformat() if hold.expires_at else None,
        "settled_at": hold.settled_at.isoformat() if hold.settled_at else None,
        "captured": None if hold.captured is None else money_out(hold.captured, hold.currency),
        "entry_id": hold.entry_id,
    }


def minor_of(amount: str, currency: str) -> int:
    """Read the amount of a body; raises Invalid (amount, currency)."""
    try:
        return minor_in(amount, currency)
    except MoneyError as error:
        raise Invalid(errors=(money_errors("", error),)) from None


@bp.get("/holds", responses={200: HoldList}, operation_id="listHolds", summary="List holds")
@requires(Permission.LEDGER_HOLDS_READ)
def list_holds(path: WorkspacePath, query: HoldsQuery) -> Response:
    """List holds, newest first."""
    position = read_cursor("holds", query.cursor)
    rows = queries.holds(
        session=g.db,
        within=kept_ids(),
        limit=query.limit + 1,
        before_id=position[0] if position else None,
        account_id=query.account_id,
        state=query.state,
    )
    page, cursor = cut(rows, query.limit, "holds", lambda row: [row.id])
    return answer_page([hold_out(row) for row in page], cursor)


@bp.post("/holds", responses={201: HoldOut}, operation_id="placeHold", summary="Place a hold")
@requires(Permission.LEDGER_HOLDS_WRITE)
@moves_money
@promises(key="required")
def place_hold(path: WorkspacePath, body: HoldIn) -> Response:
    """Reserve money on an account, within its overdraft limit; needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        draft = HoldDraft(
            body.account_id, minor_of(body.amount, body.currency), body.currency, body.description, body.expires_at
        )
        keep_account(body.account_id)
        hold = commands.place_hold(session=g.db, actor=g.actor, at=g.at, draft=draft, job_id=services().new_id())
        return hold_out(hold), 201, f"/api/v1/t/{g.slug}/holds/{hold.id}"

    return once(act)


@bp.get("/holds/<int:hold_id>", responses={200: HoldOut}, operation_id="getHold", summary="Get a hold")
@requires(Permission.LEDGER_HOLDS_READ)
def get_hold(path: HoldPath) -> Response:
    """One hold."""
    return jsonify(hold_out(_found(path.hold_id)))


@bp.post("/holds/<int:hold_id>/capture", responses={201: HoldOut}, operation_id="captureHold", summary="Capture a hold")
@requires(Permission.LEDGER_HOLDS_WRITE)
@moves_money
@promises(key="required")
def capture_hold(path: HoldPath, body: CaptureIn) -> Response:
    """Book an entry that takes what is held, or part of it; the rest is free again. Needs an Idempotency-Key."""

    def act() -> tuple[Any, int, str]:
        currency = _found(path.hold_id).currency
        keep_account(body.to_account_id)
        hold = commands.capture_hold(
            session=g.db,
            actor=g.actor,
            at=g.at,
            hold_id=path.hold_id,
            to_account_id=body.to_account_id,
            day=body.date or g.at.date(),
            minor=None if body.amount is None else minor_of(body.amount, currency),
            description=body.description,
        )
        return hold_out(hold), 201, f"/api/v1/t/{g.slug}/entries/{hold.entry_id}"

    return once(act)


@bp.post("/holds/<int:hold_id>/release", responses={200: HoldOut}, operation_id="releaseHold", summary="Release a hold")
@requires(Permission.LEDGER_HOLDS_WRITE)
@moves_money
@promises(key="optional")
def release_hold(path: HoldPath) -> Response:
    """Give free what is held."""

    def act() -> tuple[Any, int, str]:
        return hold_out(commands.release_hold(session=g.db, actor=g.actor, at=g.at, hold_id=path.hold_id)), 200, ""

    return once(act, required=False)


def _found(hold_id: int) -> HoldView:
    hold = queries.hold(session=g.db, hold_id=hold_id)
    if hold is None:
        raise NotFound
    return hold
