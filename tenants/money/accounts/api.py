"""JSON API of accounts."""

from typing import Annotated, Any

from flask import Response, g, jsonify
from flask_babel import gettext as _
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.money.accounts import commands, queries
from tenants.money.accounts.charts import ChartTemplate
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import AccountDraft, Kind
from tenants.money.accounts.shown import shown_account, shown_accounts
from tenants.schemas import (
    AmountText,
    Body,
    CurrencyCode,
    Day,
    Id,
    ListQuery,
    MoneyOut,
    Narrowing,
    WorkspacePath,
    minor_in,
    money_error,
    money_out,
)
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid
from webapp.kernel.money import MoneyError
from webapp.web.conditions import check_version, with_etag
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_accounts", __name__, tag="accounts")


class AccountIn(Body):
    """An account to open."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "Current account", "kind": "asset", "currency": "EUR", "code": "51210"},
                {"name": "Repairs", "kind": "expense", "currency": "EUR"},
            ]
        }
    )

    name: str = Field(examples=["Current account"], min_length=1, max_length=200)
    kind: Annotated[Kind, Field(strict=False, examples=["asset"])]
    currency: CurrencyCode
    code: str | None = Field(None, examples=["512"], min_length=1, max_length=40)
    parent_id: Id | None = None
    iban: str | None = Field(None, max_length=60)
    number: str | None = Field(None, min_length=1, max_length=64)
    opened_on: Day | None = None
    closed_on: Day | None = None
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
    opened_on: Day | None
    closed_on: Day | None
    overdraft_limit: MoneyOut | None
    balance: MoneyOut
    held: MoneyOut
    available: MoneyOut
    version: int


AccountList = page_of(AccountOut, "A page of accounts.")


class AccountQuery(ListQuery):
    """A page of accounts."""

    bank_number: str | None = Field(
        None, max_length=100, description="Only the account whose IBAN or number this is, however it is written."
    )
    fields: fields_of(AccountOut) = None


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
        field = "currency" if error.code == "unknown_currency" else "overdraft_limit"
        raise Invalid(errors=(money_error(field, error),)) from None
    return AccountDraft(**values, overdraft_limit=limit)


@bp.get("/accounts", responses={200: AccountList}, operation_id="listAccounts", summary="List accounts")
@requires(Permission.LEDGER_ACCOUNTS_READ, per_account=True)
def list_accounts(path: WorkspacePath, query: AccountQuery) -> Response:
    """Accounts in the order in which they were opened."""
    position = read_cursor("accounts", query.cursor)
    ids = None
    if query.bank_number is not None:
        ids = queries.ids_by_bank_number(session=g.db, said=[query.bank_number])[query.bank_number]
    rows = shown_accounts(ids=ids, after_id=position[0] if position else 0, limit=query.limit + 1)
    page, cursor = cut(rows, query.limit, "accounts", lambda row: [row.id])
    return answer_page([account_out(row) for row in page], cursor)


@bp.post("/accounts", responses={201: AccountOut}, operation_id="openAccount", summary="Open an account")
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
@promises(gives_version=True)
def open_account(path: WorkspacePath, body: AccountIn) -> Response:
    """Add an account to the chart."""
    account = commands.open_account(session=g.db, actor=g.actor, at=g.at, draft=_draft(body))
    response = with_etag(jsonify(account_out(account)), account.version)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/t/{g.slug}/accounts/{account.id}"
    return response


@bp.get("/accounts/<int:account_id>", responses={200: AccountOut}, operation_id="getAccount", summary="Get an account")
@requires(Permission.LEDGER_ACCOUNTS_READ, per_account=True)
@promises(gives_version=True)
def get_account(path: AccountPath) -> Response:
    """One account with its present balances."""
    account = shown_account(path.account_id)
    return with_etag(jsonify(account_out(account)), account.version)


@bp.put(
    "/accounts/<int:account_id>", responses={200: AccountOut}, operation_id="changeAccount", summary="Change an account"
)
@requires(Permission.LEDGER_ACCOUNTS_WRITE)
@promises(takes_version=True, gives_version=True)
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


class BalanceQuery(Narrowing):
    """Which day."""

    on: Day | None = Field(None, description="The balance at the end of this day; of today when it is not given.")


class AccountBalanceOut(BaseModel):
    """What an account's booked entries come to at the end of a day; debit positive, holds left out."""

    account_id: int
    on: Day
    balance: MoneyOut


@bp.get(
    "/accounts/<int:account_id>/balance",
    responses={200: AccountBalanceOut},
    operation_id="getAccountBalance",
    summary="Get an account's balance as of a day",
)
@requires(Permission.LEDGER_ACCOUNTS_READ, per_account=True)
def get_balance(path: AccountPath, query: BalanceQuery) -> Response:
    """Return what the entries booked up to a day come to."""
    account = shown_account(path.account_id)
    day = query.on or g.at.date()
    minor = queries.balance_on(session=g.db, account_id=account.id, day=day)
    return jsonify(account_id=account.id, on=day.isoformat(), balance=money_out(minor, account.currency))


class ChartIn(Body):
    """A chart of accounts to start from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"template": "company", "currency": "EUR"}]})

    template: Annotated[ChartTemplate, Field(strict=False, examples=["company"])]
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
