"""Balances that a table states: in a line above or below the rows, or in a column beside them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tenants.money.imports.readers.amounts import AmountError, is_currency, to_minor
from tenants.money.imports.readers.dates import DateError, to_day
from tenants.money.imports.readers.lines import StatedBalance

_OPENING = (
    r"(?:ancien solde|solde (?:initial|d[eé]but|pr[eé]c[eé]dent)|opening balance|balance brought forward"
    r"|start(?:ing)? balance|anfangssaldo|alter (?:saldo|kontostand)|saldo (?:inicial|anterior)|الرصيد الافتتاحي)"
)
_CLOSING = (
    r"(?:nouveau solde|solde (?:final|fin|cr[eé]diteur|d[eé]biteur|au|en|[aà] la|comptable|disponible)"
    r"|closing balance|balance carried forward|end(?:ing)? balance|endsaldo|neuer (?:saldo|kontostand)"
    r"|kontostand (?:am|vom|per)|saldo (?:final|al|a fecha)|الرصيد الختامي)"
)
BALANCE_TEXT = re.compile(rf"(?:{_OPENING}|{_CLOSING})\b", re.IGNORECASE)
"""Texts that state a balance, also when they stand in a row with a date and an amount."""
_LABEL = re.compile(
    r"\W*(?:(?:ancien|nouveau|alter|neuer|aktueller?|opening|closing)\s)?(?:solde|balance|saldo|kontostand|الرصيد)\b",
    re.IGNORECASE,
)
_OPENING_TEXT = re.compile(_OPENING, re.IGNORECASE)
_DAY = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{2,4}", re.ASCII)


def stated_in(cells: list[str], form: str, decimal: str, default_currency: str) -> StatedBalance | None:
    """Read a balance from the cells of a line such as "Solde au 31/05/2024;3 412,08;EUR"; None if it states none."""
    said = [cell.strip() for cell in cells if cell.strip()]
    if not any(_LABEL.match(cell) or BALANCE_TEXT.match(cell) for cell in said):
        return None
    text = " ".join(said)
    kind: Literal["opening", "closing"] = "opening" if _OPENING_TEXT.search(text) else "closing"
    found = _DAY.search(text)
    day = _day(found[0], form) if found else None
    if day is None:
        return None
    amount: int | None = None
    currency = next(filter(is_currency, said), default_currency)
    for cell in said:
        if _DAY.search(cell) or not any(map(str.isdecimal, cell)):
            continue
        try:
            amount, currency = to_minor(cell, currency, decimal)
        except AmountError:
            continue
        break
    # A table may run backwards in time: all its rows come after the balance that opens it, wherever that stands.
    after = 0 if kind == "opening" else None
    return None if amount is None else StatedBalance(None, kind, day, amount, currency, after)


def _day(text: str, form: str) -> date | None:
    try:
        return to_day(text, form)
    except DateError:
        return None


@dataclass(slots=True)
class _Run:
    """The first, second and last row of one account with their balances."""

    first: tuple[date, int, str]
    second: tuple[date, int, str] | None
    last: tuple[date, int, str]


class RunningBalances:
    """Finds the closing balance in a balance column, whether the rows run forwards or backwards in time."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str | None, str], _Run] = {}

    def saw(self, key: tuple[str | None, str], day: date, minor: int, balance: str) -> None:
        """Take note of one booked row and the text of its balance cell."""
        if not balance:
            return
        row = (day, minor, balance)
        run = self._runs.get(key)
        if run is None:
            self._runs[key] = _Run(row, None, row)
            return
        if run.second is None:
            run.second = row
        run.last = row

    def stated(self, decimal: str) -> Iterator[StatedBalance]:
        """Yield the closing balance of every account whose direction is sure."""
        for (label, currency), run in self._runs.items():
            row = _latest(run, currency, decimal)
            minor = None if row is None else _minor(row[2], currency, decimal)
            if row is not None and minor is not None:
                yield StatedBalance(label, "closing", row[0], minor, currency)


def _latest(run: _Run, currency: str, decimal: str) -> tuple[date, int, str] | None:
    """Return the row that is last in time; None if that cannot be told."""
    if run.second is None:
        return run.first
    if run.first[0] != run.last[0]:
        return run.last if run.first[0] < run.last[0] else run.first
    one, two = _minor(run.first[2], currency, decimal), _minor(run.second[2], currency, decimal)
    if one is None or two is None:
        return None
    forwards, backwards = two == one + run.second[1], one == two + run.first[1]
    return None if forwards == backwards else run.last if forwards else run.first


def _minor(text: str, currency: str, decimal: str) -> int | None:
    try:
        minor, named = to_minor(text, currency, decimal)
    except AmountError:
        return None
    return minor if named == currency else None
