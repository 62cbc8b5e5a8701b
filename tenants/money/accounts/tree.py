"""The chart as people read it: a tree by kind, with subtotals per currency, amounts turned to their usual side."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from tenants.money.accounts.names import spoken, spoken_name
from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import CREDIT_KINDS, Kind
from webapp.kernel.errors import N_

FRESH_DAYS = 35
"""An account with a posting in so many days is up to date: a month and a statement's delay."""

KINDS = (Kind.ASSET, Kind.LIABILITY, Kind.INCOME, Kind.EXPENSE, Kind.EQUITY)
"""The order in which people look for an account."""

KIND_NAMES = {
    Kind.ASSET: N_("Assets"),
    Kind.EQUITY: N_("Equity"),
    Kind.EXPENSE: N_("Expenses"),
    Kind.INCOME: N_("Income"),
    Kind.LIABILITY: N_("Liabilities"),
}


@dataclass(frozen=True, slots=True)
class Branch:
    """One account at its depth; `totals` has what it and all below it hold, by currency, turned."""

    account: AccountView
    depth: int
    has_below: bool
    totals: dict[str, int]
    balance: int
    last_day: date | None
    freshness: str


@dataclass(frozen=True, slots=True)
class Section:
    """The accounts of one kind in their order."""

    kind: Kind
    totals: dict[str, int] = field(default_factory=dict)
    branches: list[Branch] = field(default_factory=list)


def turned(kind: str, minor: int) -> int:
    """Return an amount on its usual side: what is owed, earned or invested is positive for people."""
    return -minor if Kind(kind) in CREDIT_KINDS else minor


def freshness(last_day: date | None, today: date) -> str:
    """Return checked, stale or unchecked."""
    if last_day is None:
        return "unchecked"
    return "checked" if (today - last_day).days <= FRESH_DAYS else "stale"


def sections(
    accounts: Iterable[AccountView],
    *,
    last_days: Mapping[int, date],
    today: date,
    closed: bool = False,
    keep: Collection[int] = (),
) -> list[Section]:
    """Return the kinds that have accounts; `closed` includes accounts that are closed, `keep` some of them."""
    shown = [spoken(one) for one in accounts if closed or not is_closed(one, today) or one.id in keep]
    known = {one.id for one in shown}
    below: dict[int | None, list[AccountView]] = defaultdict(list)
    for one in sorted(shown, key=lambda a: (a.purpose is not None, a.code or "\uffff", a.name.casefold())):
        below[one.parent_id if one.parent_id in known else None].append(one)
    found = []
    for kind in KINDS:
        section = Section(kind)
        for root in (one for one in below[None] if one.kind == kind):
            _grow(root, 0, below, section, last_days, today)
        if section.branches:
            found.append(section)
    return found


def is_closed(account: AccountView, today: date) -> bool:
    """Tell whether an account takes no postings any more."""
    return account.closed_on is not None and account.closed_on < today


def _grow(
    account: AccountView,
    depth: int,
    below: Mapping[int | None, list[AccountView]],
    section: Section,
    last_days: Mapping[int, date],
    today: date,
) -> dict[str, int]:
    place = len(section.branches)
    totals: dict[str, int] = defaultdict(int)
    balance = turned(account.kind, account.balance)
    totals[account.currency] += balance
    section.totals[account.currency] = section.totals.get(account.currency, 0) + balance
    for one in below[account.id]:
        for currency, minor in _grow(one, depth + 1, below, section, last_days, today).items():
            totals[currency] += minor
    last_day = last_days.get(account.id)
    section.branches.insert(
        place,
        Branch(
            account,
            depth,
            bool(below[account.id]),
            dict(totals),
            balance,
            last_day,
            freshness(last_day, today),
        ),
    )
    return totals


def choices(
    accounts: Iterable[AccountView], today: date, *, keep: Collection[int] = ()
) -> list[tuple[Kind, list[tuple[int, str]]]]:
    """Return the open accounts, and those that are chosen (`keep`), to choose from: by kind, the tree by indents."""
    return [
        (section.kind, [(b.account.id, "\u2003" * b.depth + label(b.account)) for b in section.branches])
        for section in sections(accounts, last_days={}, today=today, keep=keep)
    ]


def label(account: AccountView) -> str:
    """Return number and name, as accounts are spoken of."""
    name = spoken_name(account)
    return f"{account.code} {name}" if account.code else name
