"""JSON API of the dashboard."""

from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, ConfigDict, Field, field_validator

from tenants.door import api_room
from tenants.money.dashboard import queries, review
from tenants.money.dashboard.rules import PERIOD_DEFAULT, PERIODS, MonthFlow, savings_percent
from tenants.schemas import Body, Day, Id, MoneyOut, Narrowing, WorkspacePath, money_out
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.state import services

bp = api_room("api_dashboard", __name__, tag="dashboard")


class DashboardQuery(Narrowing):
    """Which period."""

    months: int = Field(
        PERIOD_DEFAULT,
        json_schema_extra={"enum": list(PERIODS)},
        description="Months up to today, the present one included.",
    )

    @field_validator("months")
    @classmethod
    def _offered(cls, value: int) -> int:
        if value not in PERIODS:
            raise ValueError(f"months is one of {', '.join(map(str, PERIODS))}")
        return value


class WorthOut(BaseModel):
    """Net worth in one currency: before the first month, then after each."""

    now: MoneyOut
    change: MoneyOut
    history: list[MoneyOut]


class FlowOut(BaseModel):
    """What came in and went out in one month."""

    month: Day = Field(description="First day of the month.")
    income: MoneyOut
    expense: MoneyOut
    net: MoneyOut


class CardOut(BaseModel):
    """An account with its balance and how fresh it is."""

    account_id: int
    name: str
    balance: MoneyOut
    freshness: Literal["checked", "unchecked", "failed", "stale", "unused"]
    checked_on: Day | None


class DashboardOut(BaseModel):
    """The figures of the dashboard; other currencies stand by themselves, no rate is made up."""

    months: list[Day]
    net_worth: WorthOut
    cash_flow: list[FlowOut]
    savings_percent: int | None
    other_currencies: list[WorthOut]
    other_cash_flows: dict[str, list[FlowOut]]
    to_review: int
    accounts: list[CardOut]


class WaitingOut(BaseModel):
    """An entry that waits for a category, and what it probably is."""

    entry_id: int
    date: Day
    counterparty: str
    description: str
    amount: MoneyOut
    category_id: int | None = Field(description="What was learned of such entries; accept it with a change.")
    percent: int | None


class ReviewOut(BaseModel):
    """How many wait for a category, and the newest of them."""

    to_review: int
    data: list[WaitingOut]


class AcceptIn(Body):
    """What the entry is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"category_id": 2}]})

    category_id: Id


class AcceptOut(BaseModel):
    """What was changed, to undo it by, and how many wait still."""

    change_id: UUID
    to_review: int


class ReviewPath(WorkspacePath):
    """One entry that waits for a category."""

    entry_id: Id


def _worth_out(worth: queries.NetWorth) -> dict[str, Any]:
    return {
        "now": money_out(worth.now, worth.currency),
        "change": money_out(worth.change, worth.currency),
        "history": [money_out(value, worth.currency) for value in worth.values],
    }


def _flow_out(flow: MonthFlow, currency: str) -> dict[str, Any]:
    return {
        "month": flow.month.isoformat(),
        **{name: money_out(getattr(flow, name), currency) for name in ("income", "expense", "net")},
    }


def _card_out(card: queries.AccountCard) -> dict[str, Any]:
    return {
        "account_id": card.id,
        "name": card.name,
        "balance": money_out(card.balance, card.currency),
        "freshness": card.freshness,
        "checked_on": card.checked_on.isoformat() if card.checked_on else None,
    }


@bp.get("/dashboard", responses={200: DashboardOut}, operation_id="getDashboard", summary="Get the dashboard")
@requires(Permission.LEDGER_ACCOUNTS_READ)
def show(path: WorkspacePath, query: DashboardQuery) -> Response:
    """Net worth, cash flow, what is to review, accounts with their freshness."""
    found = queries.dashboard(
        session=g.db, today=g.at.date(), months_count=query.months, base_currency=g.tenant.base_currency
    )
    return jsonify(
        months=[month.isoformat() for month in found.months],
        net_worth=_worth_out(found.worth),
        cash_flow=[_flow_out(flow, found.worth.currency) for flow in found.flows],
        savings_percent=savings_percent(found.flows),
        other_currencies=[_worth_out(worth) for worth in found.others],
        other_cash_flows={code: [_flow_out(flow, code) for flow in flows] for code, flows in found.other_flows.items()},
        to_review=found.to_review,
        accounts=[_card_out(card) for card in found.cards],
    )


@bp.get("/review", responses={200: ReviewOut}, operation_id="getReview", summary="Get what waits for a category")
@requires(Permission.LEDGER_ENTRIES_READ)
def show_review(path: WorkspacePath) -> Response:
    """How many wait for a category, and the newest five with what each probably is."""
    data = [
        {
            "entry_id": one.entry_id,
            "date": one.day.isoformat(),
            "counterparty": one.counterparty,
            "description": one.description,
            "amount": money_out(one.amount, one.currency),
            "category_id": one.category_id,
            "percent": one.percent,
        }
        for one in review.waiting(session=g.db)
    ]
    return jsonify(to_review=review.count(session=g.db), data=data)


@bp.post(
    "/review/<int:entry_id>", responses={201: AcceptOut}, operation_id="acceptCategory", summary="Categorise an entry"
)
@requires(Permission.LEDGER_ENTRIES_WRITE)
def accept(path: ReviewPath, body: AcceptIn) -> Response:
    """Give an entry its category and learn from it."""
    change_id = services().new_id()
    review.accept(
        session=g.db,
        actor=g.actor,
        at=g.at,
        change_id=change_id,
        entry_id=path.entry_id,
        category_id=body.category_id,
    )
    response = jsonify(change_id=str(change_id), to_review=review.count(session=g.db))
    response.status_code = 201
    return response
