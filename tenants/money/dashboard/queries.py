"""The figures of the dashboard: sums of days and kept balances, never of postings; amounts in minor units."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as accounts
from tenants.money.accounts.queries import AccountView
from tenants.money.dashboard import review, rules
from tenants.money.dashboard.rules import Freshness, MonthFlow
from tenants.money.imports import queries as imports
from tenants.money.imports import stated
from tenants.money.imports.queries import ImportView
from tenants.money.reconciliations import queries as reconciliations

CARDS_MAX = 12
"""Accounts that the page shows with their history; the others are a click away."""
STATEMENTS_MAX = 100
"""Newest imports that are looked at for how fresh an account is."""

_MOVED = text("""
    SELECT a.id, d.month, d.moved
    FROM account a CROSS JOIN LATERAL (
        SELECT CASE WHEN day > :today THEN NULL ELSE date_trunc('month', day)::date END AS month,
            sum(debit - credit)::bigint AS moved
        FROM account_day WHERE account_id = a.id AND day >= :start GROUP BY 1
    ) AS d
    WHERE a.kind IN ('asset', 'liability')
""")
_FLOWS = text("""
    SELECT a.currency, a.kind, d.month, sum(d.moved)::bigint
    FROM account a CROSS JOIN LATERAL (
        SELECT date_trunc('month', day)::date AS month, sum(debit - credit) AS moved
        FROM account_day WHERE account_id = a.id AND day BETWEEN :start AND :today GROUP BY 1
    ) AS d
    WHERE a.kind IN ('income', 'expense') GROUP BY a.currency, a.kind, d.month
""")
_LAST_BOOKED = text("""
    SELECT ids.id, (SELECT max(day) FROM account_day d WHERE d.account_id = ids.id AND d.day <= :today)
    FROM unnest(CAST(:ids AS bigint[])) AS ids (id)
""")


@dataclass(frozen=True, slots=True)
class NetWorth:
    """What assets and liabilities of one currency are worth, before the period and after each of its months."""

    currency: str
    values: tuple[int, ...]

    @property
    def now(self) -> int:
        """Return the worth at the end of today."""
        return self.values[-1]

    @property
    def change(self) -> int:
        """Return what the period added."""
        return self.values[-1] - self.values[0]


@dataclass(frozen=True, slots=True)
class AccountCard:
    """An account with its balance today, the ends of the last months, and how fresh it is.

    Where the books are not what a statement states, `difference` is what the bank has more, by the import `import_id`.
    """

    id: int
    name: str
    kind: str
    currency: str
    balance: int
    history: tuple[int, ...]
    freshness: Freshness
    checked_on: date | None
    difference: int = 0
    import_id: int | None = None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything that the page shows. `others` are currencies that are not converted: no rate is made up."""

    months: tuple[date, ...]
    worth: NetWorth
    flows: tuple[MonthFlow, ...]
    others: tuple[NetWorth, ...]
    other_flows: dict[str, tuple[MonthFlow, ...]]
    to_review: int
    cards: tuple[AccountCard, ...]
    accounts_total: int
    entries_exist: bool


def dashboard(*, session: Session, today: date, months_count: int, base_currency: str) -> Dashboard:
    """Return the figures of the last months up to today; days booked later count nowhere."""
    months = rules.months_until(today, months_count)
    places = accounts.accounts(session=session, kinds=("asset", "liability"))
    histories = _histories(session, places, months, today)
    worths: dict[str, list[int]] = {base_currency: [0] * (months_count + 1)}
    for place in places:
        sums = worths.setdefault(place.currency, [0] * (months_count + 1))
        for index, value in enumerate(histories[place.id]):
            sums[index] += value
    flows = _flows(session, months, today)
    still = tuple(rules.month_flow(month, 0, 0) for month in months)
    others = [code for code in sorted(worths) if code != base_currency and (any(worths[code]) or code in flows)]
    return Dashboard(
        months=months,
        worth=NetWorth(base_currency, tuple(worths[base_currency])),
        flows=flows.get(base_currency, still),
        others=tuple(NetWorth(code, tuple(worths[code])) for code in others),
        other_flows={code: found for code, found in sorted(flows.items()) if code != base_currency},
        to_review=review.count(session=session),
        cards=_cards(session, places, histories, today),
        accounts_total=len(places),
        entries_exist=any(place.postings for place in places) or bool(flows),
    )


def _histories(
    session: Session, places: list[AccountView], months: tuple[date, ...], today: date
) -> dict[int, tuple[int, ...]]:
    moved: dict[int, dict[date | None, int]] = defaultdict(dict)
    for account_id, month, amount in session.execute(_MOVED, {"today": today, "start": months[0]}):
        moved[account_id][month] = amount
    return {
        place.id: rules.walk_back(
            place.balance,
            months,
            {month: value for month, value in moved[place.id].items() if month is not None},
            moved[place.id].get(None, 0),
        )
        for place in places
    }


def _flows(session: Session, months: tuple[date, ...], today: date) -> dict[str, tuple[MonthFlow, ...]]:
    sums: dict[str, dict[tuple[str, date], int]] = defaultdict(dict)
    for currency, kind, month, amount in session.execute(_FLOWS, {"today": today, "start": months[0]}):
        sums[currency][kind, month] = amount
    return {
        currency: tuple(
            rules.month_flow(month, -found.get(("income", month), 0), found.get(("expense", month), 0))
            for month in months
        )
        for currency, found in sums.items()
    }


def _cards(
    session: Session, places: list[AccountView], histories: dict[int, tuple[int, ...]], today: date
) -> tuple[AccountCard, ...]:
    """Show open accounts with the most postings first, so that those in daily use are at hand."""
    shown = sorted(
        (place for place in places if place.closed_on is None or place.closed_on > today),
        key=lambda place: (-place.postings, place.id),
    )[:CARDS_MAX]
    ids = [place.id for place in shown]
    booked: dict[int, Any] = dict(session.execute(_LAST_BOOKED, {"ids": ids, "today": today}).all())  # type: ignore[arg-type]
    statements = _newest_statements(session, set(ids))
    confirmed = reconciliations.confirmed(session=session, account_ids=ids)
    cards = []
    for place in shown:
        view = statements.get(place.id)
        stating = stated.latest(session=session, view=view, account_id=place.id) if view else None
        by_hand = confirmed.get(place.id)
        if by_hand is not None and (stating is None or by_hand >= stating.day):
            agrees, checked_on, stating = True, by_hand, None
        else:
            agrees, checked_on = (stating.difference == 0, stating.day) if stating else (None, None)
        fresh = rules.freshness(today=today, agrees=agrees, checked_on=checked_on, last_booked=booked.get(place.id))
        cards.append(
            AccountCard(
                place.id,
                place.name,
                place.kind,
                place.currency,
                histories[place.id][-1],
                histories[place.id],
                fresh,
                checked_on,
                difference=stating.difference if stating else 0,
                import_id=view.id if view and stating and stating.difference else None,
            )
        )
    return tuple(cards)


def _newest_statements(session: Session, ids: set[int]) -> dict[int, ImportView]:
    found: dict[int, ImportView] = {}
    for view in imports.imports(session=session, limit=STATEMENTS_MAX):
        touched = {plan["account_id"] for plan in view.accounts if plan.get("account_id")} or {view.account_id}
        if view.state == "published":
            for account_id in touched & ids:
                found.setdefault(account_id, view)
    return found


def working_imports(*, session: Session) -> list[ImportView]:
    """Return the imports that a job is at work on, newest first."""
    return [view for view in imports.imports(session=session, limit=STATEMENTS_MAX) if view.is_working]
