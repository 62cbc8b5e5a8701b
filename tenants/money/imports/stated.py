"""Balances that a file states beside those in the books; amounts in minor units."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.imports.queries import ImportView
from tenants.money.imports.rules import RowState, State

Key = tuple[str | None, str]
"""Account label and currency: what a balance is of."""

_SUMS = text("""
    SELECT label, currency, day, width_bucket(position, CAST(:cuts AS integer[])) AS part, state, sum(amount)
    FROM import_row
    WHERE import_id = :id AND position > :first AND day <= :last AND amount IS NOT NULL
        AND reason IS DISTINCT FROM 'twice_in_file'
    GROUP BY 1, 2, 3, 4, 5
""")
_BOOKED = frozenset({RowState.DUPLICATE, RowState.MERGED, RowState.DOUBTFUL, RowState.LEFT})
"""States of rows that the books hold, as it seems, whatever becomes of the import."""


@dataclass(frozen=True, slots=True)
class BalanceView:
    """A balance that the file states beside the one in the books, with the rows of this import counted in.

    Neither counts those rows of the file that come after the balance.
    """

    account_id: int | None
    account_label: str | None
    kind: str
    day: date
    currency: str
    stated: int
    booked: int

    @property
    def difference(self) -> int:
        """Return what the bank has more than the books."""
        return self.stated - self.booked


@dataclass(frozen=True, slots=True)
class _Stated:
    """A stated balance; the rows in the parts `later` of the file come after it."""

    key: Key
    account_id: int | None
    kind: str
    day: date
    minor: int
    later: range


@dataclass(frozen=True, slots=True)
class _Sum:
    """The sum of the rows of one day and state in one part of the file."""

    day: date
    part: int
    state: str
    minor: int


def balances(*, session: Session, view: ImportView) -> list[BalanceView]:
    """Return the balances that the file states beside the books; before publication its new rows count as booked."""
    return _beside_the_books(session, view, _read(session, view))


def latest(*, session: Session, view: ImportView, account_id: int) -> BalanceView | None:
    """Return the last balance that the file states for an account, if it states one; a closing one if there is."""
    own = [one for one in _read(session, view) if one.account_id == account_id]
    last = max(own, key=lambda one: (one.day, one.kind == "closing", one.later.start), default=None)
    return None if last is None else _beside_the_books(session, view, [last])[0]


def _beside_the_books(session: Session, view: ImportView, stated: list[_Stated]) -> list[BalanceView]:
    sums = _sums(session, view, stated)
    found = []
    for one in stated:
        label, currency = one.key
        at_the_end = one.account_id and account_queries.balance_on(
            session=session, account_id=one.account_id, day=one.day
        )
        booked = (at_the_end or 0) + sum(
            _counted(view.state, one, rows) for rows in sums.get(one.key, ()) if rows.day <= one.day
        )
        found.append(BalanceView(one.account_id, label, one.kind, one.day, currency, one.minor, booked))
    return found


def _after(written: dict[str, Any]) -> int | None:
    """Return how many rows come before a balance; None if the order of the file says nothing."""
    after = written.get("after", 0 if written["kind"] == "opening" else None)
    return None if after is None else int(after)


def _cuts(view: ImportView) -> list[int]:
    """Return the positions of rows behind which the file states a balance."""
    found = (_after(one) for one in view.stated_balances if one["day"] is not None)
    return sorted({after for after in found if after is not None})


def _read(session: Session, view: ImportView) -> list[_Stated]:
    """Return the balances. Where the statements of a file run backwards in time, only its own rows come after one."""
    where = {(plan["label"], plan["currency"]): plan["account_id"] for plan in view.accounts}
    currencies = account_queries.currencies_of(session=session, ids=[view.account_id])
    known = [one for one in view.stated_balances if one["day"] is not None]
    cuts, days, found = _cuts(view), dict[Key, list[str]](), []
    for one in known:
        days.setdefault((one["label"], one["currency"]), []).append(one["day"])
    for one in known:
        key, after = (one["label"], one["currency"]), _after(one)
        later = range(len(cuts) + 1 if after is None else cuts.index(after) + 1, len(cuts) + 1)
        if days[key][-1] < days[key][0]:
            later = later[:1] if one["kind"] == "opening" else later[:0]
        account_id = where.get(key)
        if account_id is None and not view.accounts and currencies.get(view.account_id) == one["currency"]:
            account_id = view.account_id
        found.append(_Stated(key, account_id, one["kind"], date.fromisoformat(one["day"]), one["minor"], later))
    return found


def _sums(session: Session, view: ImportView, stated: list[_Stated]) -> dict[Key, list[_Sum]]:
    """Return the sums of the rows in the parts of the file between balances, as far as these need them."""
    found: dict[Key, list[_Sum]] = {}
    cuts = _cuts(view)
    starts = [cuts[one.later.start - 1] for one in stated if one.later]
    if not stated or not (starts or view.state == State.REVIEW):
        return found
    values = {
        "id": view.id,
        "cuts": [cut + 1 for cut in cuts],
        "first": 0 if view.state == State.REVIEW else min(starts),
        "last": max(one.day for one in stated),
    }
    labels = {one["label_id"]: one["label"] for one in view.accounts if one["label_id"] is not None}
    for label, currency, day, part, state, minor in session.execute(_SUMS, values):
        found.setdefault((labels.get(label), currency), []).append(_Sum(day, part, state, int(minor)))
    return found


def _counted(state: str, stated: _Stated, rows: _Sum) -> int:
    """Return what the rows of a day add to the balance that the books have at the end of it."""
    later = rows.part in stated.later
    if rows.state == RowState.NEW and state == State.REVIEW:
        return 0 if later else rows.minor
    booked = rows.state in _BOOKED or (rows.state == RowState.NEW and state in {State.PUBLISHED, State.REVERSING})
    return -rows.minor if later and booked else 0
