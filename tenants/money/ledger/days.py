"""Days as people write them in a search: 2026-11-20, 20/11/2026, 2026-11, 2026-Q4, 2026, >2026-11, 2026-01..2026-03."""

import calendar
import re
from datetime import date, timedelta

from tenants.money.ledger.rules import FIRST_DAY, LAST_DAY

_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{4})", re.ASCII)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_QUARTER = re.compile(r"(\d{4})-[qQ]([1-4])", re.ASCII)
_YEAR = re.compile(r"(\d{4})", re.ASCII)


def looks_like_days(value: str) -> bool:
    """Tell whether a bare word cannot well be anything but days; a year alone can."""
    if ".." in value:
        return all(_days(part) for part in value.split("..", 1) if part)
    return any(form.fullmatch(value) for form in (_DAY, _DAY_FIRST, _MONTH, _QUARTER))


def day_range(value: str) -> tuple[date, date] | None:
    """Return the first and the last day that a term means; None when it is not one."""
    for sign, step in ((">=", 0), ("<=", 0), (">", 1), ("<", -1)):
        if value.startswith(sign):
            days = _days(value[len(sign) :])
            if days is None:
                return None
            moved = (days[1] if sign == ">" else days[0] if sign in {"<", ">="} else days[1]) + timedelta(days=step)
            return (moved, LAST_DAY) if sign.startswith(">") else (FIRST_DAY, moved)
    if ".." not in value:
        return _days(value)
    left, _, right = value.partition("..")
    first = _days(left) if left else (FIRST_DAY, FIRST_DAY)
    last = _days(right) if right else (LAST_DAY, LAST_DAY)
    return None if first is None or last is None else (first[0], last[1])


def _days(value: str) -> tuple[date, date] | None:  # noqa: PLR0911 - one answer for each way to write a day
    """Return the first and the last day that a date, month, quarter or year covers."""
    try:
        if match := _DAY.fullmatch(value):
            day = date(int(match[1]), int(match[2]), int(match[3]))
            return (day, day) if FIRST_DAY <= day <= LAST_DAY else None
        if match := _DAY_FIRST.fullmatch(value):
            day = date(int(match[3]), int(match[2]), int(match[1]))
            return (day, day) if FIRST_DAY <= day <= LAST_DAY else None
        if match := _MONTH.fullmatch(value):
            return _months(int(match[1]), int(match[2]), int(match[2]))
        if match := _QUARTER.fullmatch(value):
            return _months(int(match[1]), int(match[2]) * 3 - 2, int(match[2]) * 3)
        if match := _YEAR.fullmatch(value):
            return _months(int(match[1]), 1, 12)
    except ValueError:
        return None
    return None


def _months(year: int, first: int, last: int) -> tuple[date, date] | None:
    if not FIRST_DAY.year <= year <= LAST_DAY.year:
        return None
    return date(year, first, 1), date(year, last, calendar.monthrange(year, last)[1])
