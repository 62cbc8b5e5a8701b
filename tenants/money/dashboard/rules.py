"""How figures are read: periods of whole months, balances walked back from today, how fresh an account is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

PERIODS = (3, 6, 12, 24)
"""Lengths of the period that can be picked, in months, the present one included."""
PERIOD_DEFAULT = 12
STALE_AFTER = timedelta(days=45)
"""An account that nothing was heard of for so long is out of date: a monthly statement came and was missed."""

Freshness = Literal["checked", "unchecked", "failed", "stale", "unused"]


def add_months(day: date, months: int) -> date:
    """Return the first day of the month that lies so many months from a day's own."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def months_until(today: date, count: int) -> tuple[date, ...]:
    """Return the first days of `count` months, the last one today's."""
    return tuple(add_months(today, step) for step in range(1 - count, 1))


def walk_back(balance: int, months: Sequence[date], moved: Mapping[date, int], later: int) -> tuple[int, ...]:
    """Return the balance before the first month and after each month, from today's and what each month moved.

    `later` is what is booked after today; amounts in minor units. The result is one longer than `months`.
    """
    values = [balance - later]
    for month in reversed(months):
        values.append(values[-1] - moved.get(month, 0))
    return tuple(reversed(values))


@dataclass(frozen=True, slots=True)
class MonthFlow:
    """What came in and went out in one month, both zero or more, in minor units."""

    month: date
    income: int
    expense: int

    @property
    def net(self) -> int:
        """Return what was left."""
        return self.income - self.expense


def month_flow(month: date, income: int, expense: int) -> MonthFlow:
    """Return a month's flow: more refunds than expenses count as income, and the other way round; the net stays."""
    if expense < 0:
        income, expense = income - expense, 0
    if income < 0:
        income, expense = 0, expense - income
    return MonthFlow(month, income, expense)


def savings_percent(flows: Sequence[MonthFlow]) -> int | None:
    """Return what part of the income was left, in whole per cent; None without income."""
    income = sum(flow.income for flow in flows)
    return round(100 * sum(flow.net for flow in flows) / income) if income else None


def change_percent(before: int, now: int) -> float | None:
    """Return by how many per cent a figure changed; None where that says nothing."""
    return None if before <= 0 else round(100 * (now - before) / before, 1)


def freshness(
    *,
    today: date,
    agrees: bool | None,
    checked_on: date | None,
    last_booked: date | None,
) -> Freshness:
    """Tell how far an account's figure can be trusted.

    `agrees` is whether the balance that a statement states for `checked_on` is the books' (None: no statement states
    one), `last_booked` the newest day with a posting. A file that could not be read says nothing of the books.
    """
    if agrees is False:
        return "failed"
    heard = max((day for day in (checked_on, last_booked) if day is not None), default=None)
    if heard is None:
        return "unused"
    if today - heard > STALE_AFTER:
        return "stale"
    if agrees and checked_on is not None and (last_booked is None or last_booked <= checked_on):
        return "checked"
    return "unchecked"
