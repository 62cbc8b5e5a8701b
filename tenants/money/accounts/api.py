"""JSON API of accounts."""

from datetime import date
from typing import Any

from flask import Response, g, jsonify
from flask_babel import gettext as _
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import API_PREFIX, guard_room
from tenants.money.accounts import commands, queries
from tenants.money.accounts.charts import ChartTemplate
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import AccountDraft, Kind
from tenants.schemas import (
    PROBLEMS,
    AmountText,
    CurrencyCode,
    Id,
    ListQuery,
    MoneyOut,
    WorkspacePath,
    minor_in,
    money_out,
)
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import FieldError, Invalid, NotFound
from webapp.kernel.money import MoneyError
from webapp.web.conditions import check_version, with_etag
from webapp.web.pagination import read_cursor, sign_cursor

bp = APIBlueprint(
    "api_accounts",
    __name__,
    url_prefix=API_PREFIX,
    abp_tags=[Tag(name="accounts")],
    abp_responses=PROBLEMS,
    abp_security=[{"token": []}],
)
guard_room(bp)


class AccountIn(BaseModel):
    """An account to open."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(examples=["Current account"], min_length=1, max_length=200)
    kind: Kind = Field(examples=["asset"])
    currency: CurrencyCode
    code: str | None = Field(None, examples=["512"], min_length=1, max_length=40)
    parent_id: Id | None = None
    iban: str | None = Field(None, max_length=60)
    number: str | None = Field(None, min_length=1, max_length=64)
    opened_on: date | None = None
    closed_on: date | None = None
    overdraft_limit: AmountText | None = None


class AccountOut(BaseModel):
    """An account with its balances; debit positive."""

    id: int
    name: str
    kind: Kind
    currency: str
    code: str | None
    parent_id: int | None
    iban: str | None
    number: str | None
    purpose: str | None
    opened_on: date | None
    closed_on: date | None
    overdraft_limit: MoneyOut | None
    balance: MoneyOut
    held: MoneyOut
    available: MoneyOut
    version: int


class AccountList(BaseModel):
    """A page of accounts."""

    data: list[AccountOut]
    next_cursor: str | None
    has_more: bool


class AccountPath(WorkspacePath):
    """One account of a workspace."""

    account_id: Id


def account_out(account: AccountView) -> dict[str, Any]:
    """Write an account for JSON."""
    plain = ("id", "name", "kind", "currency", "code", "parent_id", "iban", "number", "purpose", "version")
    limit = account.overdraft_limit
    return {
        **{name: getattr(account, name) for name in plain},
        "opened_on": account.opened_on.isoformat() if account.opened_on else None,
        "closed_on": account.closed_on.isoformat() if account.closed_on else None,
        "overdraft_limit": None if limit is None else money_out(limit, account.currency),
        "balance": money_out(account.balance, account.currency),
        "held": money_out(account.held, account.currency),
        "available": money_out(account.available, account.currency),
    }


def _draft(body: AccountIn) -> AccountDraft:
    values = body.model_dump(exclude={"overdraft_limit"})
    try:
        limit = None if body.overdraft_limit is None else minor_in(body.overdraft_limit, body.currency)
    except MoneyError as error:
        raise Invalid(errors=(FieldError("overdraft_limit", error.code, error.detail),)) from None
    return AccountDraft(**values, overdraft_limit=limit)


@bp.get("/accounts", responses={200: AccountList}, operation_id="listAccounts", summary="List accounts")
@requires(Permission.LEDGER_ACCOUNTS_READ)
def list_accounts(path: WorkspacePath, query: ListQuery) -> Response:
    """Accounts in the order in which they were opened."""
    position = read_cursor("accounts", query.cursor)
    rows = queries.accounts(session=g.db, after_id=position[0] if position else 0, limit=query.limit + 1)
    page = rows[: query.limit]
    more = len(rows) > query.limit
    cursor = sign_cursor("accounts", [page[-1].id]) if more else None
    return jsonify(data=[account_out(row) for row in page], next_cursor=cursor, has_more=more)


@bp.post("/accounts", responses={201: AccountOut}, operation_id="openAccount", summary="Open an account")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def open_account(path: WorkspacePath, body: AccountIn) -> Response:
    """Add an account to the chart."""
    account = commands.open_account(session=g.db, actor=g.actor, at=g.at, draft=_draft(body))
    response = with_etag(jsonify(account_out(account)), account.version)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/accounts/{account.id}"
    return response


@bp.get("/accounts/<int:account_id>", responses={200: AccountOut}, operation_id="getAccount", summary="Get an account")
@requires(Permission.LEDGER_ACCOUNTS_READ)
def get_account(path: AccountPath) -> Response:
    """One account with its present balances."""
    account = queries.account(session=g.db, account_id=path.account_id)
    if account is None:
        raise NotFound
    return with_etag(jsonify(account_out(account)), account.version)


@bp.put(
    "/accounts/<int:account_id>", responses={200: AccountOut}, operation_id="changeAccount", summary="Change an account"
)
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def change_account(path: AccountPath, body: AccountIn) -> Response:
    """Replace what is said of an account; send the ETag that you read as If-Match."""
    account = commands.change_account(
        session=g.db,
        actor=g.actor,
        at=g.at,
        account_id=path.account_id,
        version=check_version(),
        draft=_draft(body),
    )
    return with_etag(jsonify(account_out(account)), account.version)


class ChartIn(BaseModel):
    """A chart of accounts to start from."""

    model_config = ConfigDict(extra="forbid")

    template: ChartTemplate = Field(examples=["company"])
    currency: CurrencyCode


class ChartOut(BaseModel):
    """What was opened."""

    accounts: int


@bp.post("/chart", responses={201: ChartOut}, operation_id="adoptChart", summary="Start with a chart of accounts")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
def adopt_chart(path: WorkspacePath, body: ChartIn) -> Response:
    """Open all accounts of a chart, while there are none."""
    opened = commands.adopt_chart(
        session=g.db,
        actor=g.actor,
        at=g.at,
        template=body.template,
        currency=body.currency,
        translate=_,
    )
    response = jsonify(accounts=opened)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/accounts"
    return response
