"""Dates as banks write them: a fast reader for a given form, and a judge of the order of day and month."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from tenants.money.imports.readers.amounts import plain_digits

Order = Literal["dmy", "mdy", "ymd"]

FORMS: dict[str, Order] = {
    "%d.%m.%Y": "dmy",
    "%d/%m/%Y": "dmy",
    "%d-%m-%Y": "dmy",
    "%m/%d/%Y": "mdy",
    "%m-%d-%Y": "mdy",
    "%m.%d.%Y": "mdy",
    "%Y-%m-%d": "ymd",
    "%Y/%m/%d": "ymd",
    "%Y.%m.%d": "ymd",
    "%Y%m%d": "ymd",
    "%d%m%Y": "dmy",
    "%d %b %Y": "dmy",
    "%b %d %Y": "mdy",
}
"""Date forms that can be chosen. Two-digit years, a time behind and other separators are read with each of them."""

YEAR_MIN, YEAR_MAX = 1900, 2999
"""Years that a statement may be of."""
_SEPARATOR = r"\s?[./\-\s]\s?"
_TIME = r"(?:[T ,].{0,30})?"
_SEPARATED = re.compile(rf"([0-9]{{1,4}}){_SEPARATOR}([0-9]{{1,2}}){_SEPARATOR}([0-9]{{1,4}}){_TIME}", re.ASCII)
_PACKED = re.compile(rf"([0-9]{{8}}|[0-9]{{6}}){_TIME}", re.ASCII)
_OF = r"[.,\s\-/]*(?:de\s)?"
_NAMED_DMY = re.compile(rf"([0-9]{{1,2}})(?:st|nd|rd|th|er|º)?{_OF}([^\W\d_]{{3,12}}){_OF}([0-9]{{2,4}}){_TIME}")
_NAMED_MDY = re.compile(rf"([^\W\d_]{{3,12}})\.?[\s\-/]*([0-9]{{1,2}})(?:st|nd|rd|th)?[,\s\-/]+([0-9]{{2,4}}){_TIME}")
_MARKS = {ord(c): None for c in "\u200e\u200f\u061c\u202a\u202b\u202c\ufeff"} | {0xA0: " ", 0x202F: " "}

_MONTHS = (
    "jan january januar jän jänner janv janvier ene enero يناير جانفي",
    "feb february februar feber févr févr fevr fév février fevrier febrero فبراير فيفري",
    "mar march märz mrz mär maerz mars marzo مارس",
    "apr april avr avril abr abril أبريل ابريل أفريل",
    "may mai mayo مايو ماي",
    "jun june juni juin junio يونيو جوان",
    "jul july juli juil juillet julio يوليو يوليوز جويلية",
    "aug august août aout aoû ago agosto أغسطس غشت أوت",
    "sep sept september septembre septiembre set سبتمبر شتنبر",
    "oct october okt oktober octobre octubre أكتوبر",
    "nov november novembre noviembre نوفمبر نونبر",
    "dec december dez dezember déc dec décembre decembre dic diciembre ديسمبر دجنبر",
)
_MONTH_NUMBER = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}


class DateError(ValueError):
    """A text that is no date (`bad_date`) or a day that does not exist (`no_such_day`)."""

    def __init__(self, code: str, params: dict[str, str]) -> None:
        super().__init__(code)
        self.code = code
        self.params = params


def full_year(text: str) -> int:
    """Return a year; of two digits, 70 to 99 are of the 1900s."""
    year = int(text)
    if len(text) > 2:
        return year
    return year + (1900 if year >= 70 else 2000)


def order_of(form: str) -> Order:
    """Return the order of day, month and year in a form such as "%d.%m.%Y"; unknown forms are read as day first."""
    known = FORMS.get(form)
    if known:
        return known
    found = re.findall(r"%([dmbBjyY])", form)
    letters = "".join({"b": "m", "B": "m", "Y": "y"}.get(c, c) for c in found)
    return "mdy" if letters == "mdy" else "ymd" if letters == "ymd" else "dmy"


def to_day(text: str, form: str) -> date:
    """Read a date in the given form; year-first dates are read in every form. Raises DateError."""
    cleaned = text.strip()
    if not cleaned.isascii():
        cleaned = plain_digits(cleaned).translate(_MARKS).strip()
    numbers = _numbers(cleaned, form)
    if numbers is None:
        raise DateError("bad_date", {"value": text.strip()[:40], "form": readable(form)})
    if not YEAR_MIN <= numbers[0] <= YEAR_MAX:
        raise DateError("bad_date", {"value": text.strip()[:40], "form": readable(form)})
    try:
        return date(*numbers)
    except ValueError:
        raise DateError("no_such_day", {"value": text.strip()[:40]}) from None


def _numbers(text: str, form: str) -> tuple[int, int, int] | None:
    """Return year, month, day as numbers, without asking whether that day exists."""
    order = order_of(form)
    match = _SEPARATED.fullmatch(text)
    if match:
        first, second, third = match.groups()
        if len(first) == 4:
            return (int(first), int(second), int(third)) if len(third) <= 2 else None
        if len(first) > 2 or len(third) == 3 or len(third) == 1:
            return None
        if order == "ymd":
            return (full_year(first), int(second), int(third)) if len(third) == 2 and "%y" in form else None
        day, month = (first, second) if order == "dmy" else (second, first)
        return full_year(third), int(month), int(day)
    match = _PACKED.fullmatch(text)
    if match:
        return _packed(match[1], order)
    named = _NAMED_DMY.fullmatch(text)
    if named:
        return _with_month(named[3], named[2], named[1])
    named = _NAMED_MDY.fullmatch(text)
    return _with_month(named[3], named[1], named[2]) if named else None


def _packed(digits: str, order: Order) -> tuple[int, int, int] | None:
    if order == "ymd":
        year, rest = digits[:-4], digits[-4:]
        return full_year(year), int(rest[:2]), int(rest[2:])
    first, second, year = digits[:2], digits[2:4], digits[4:]
    day, month = (first, second) if order == "dmy" else (second, first)
    return full_year(year), int(month), int(day)


def _with_month(year: str, month: str, day: str) -> tuple[int, int, int] | None:
    number = _MONTH_NUMBER.get(month.casefold())
    return (full_year(year), number, int(day)) if number and len(year) != 3 else None


def readable(form: str) -> str:
    """Return a form as people write it: "%d.%m.%Y" is "DD.MM.YYYY"."""
    for mark, word in (("%d", "DD"), ("%m", "MM"), ("%Y", "YYYY"), ("%y", "YY"), ("%b", "MMM"), ("%B", "MMMM")):
        form = form.replace(mark, word)
    return form


def _cleaned(text: str) -> str:
    return plain_digits(text.strip()).translate(_MARKS)


def looks_like_day(text: str) -> bool:
    """Tell whether a text has the shape of a date, whatever the order of day and month."""
    cleaned = _cleaned(text)
    if not 6 <= len(cleaned) <= 40:
        return False
    for form in ("%d.%m.%Y", "%m/%d/%Y"):
        numbers = _numbers(cleaned, form)
        if numbers and 1900 <= numbers[0] <= 2100 and 1 <= numbers[1] <= 12 and 1 <= numbers[2] <= 31:
            return True
    if re.fullmatch(r"[0-9]{8}(?:[T ].*)?", cleaned):
        return 1900 <= int(cleaned[:4]) <= 2100 and 1 <= int(cleaned[4:6]) <= 12 and 1 <= int(cleaned[6:8]) <= 31
    return False


def judge(samples: Iterable[str], *, prefer: Order = "dmy") -> tuple[str, bool]:
    """Decide the form of a column of dates on the whole sample; returns (form or "", whether doubt remains).

    Dots mean day first, unless a person says otherwise. Of others the days that exist in one order only decide, if they
    are most of the sample or only their order keeps the rows sorted; else the order that keeps the rows sorted does.
    """
    texts = [_cleaned(t) for t in samples if t.strip()]
    triples: list[tuple[int, int, int]] = []
    separator, year_first = "/", ""
    for text in texts:
        match = _SEPARATED.fullmatch(text)
        if match is None:
            continue
        if len(match[1]) == 4:
            # every form reads these too, so dates written otherwise decide
            year_first = year_first or f"%Y{text[4]}%m{text[4]}%d".replace(" ", "-")
            continue
        separator = next((c for c in text if not c.isdigit()), "/")
        triples.append((int(match[1]), int(match[2]), full_year(match[3])))
    if not triples:
        return (year_first, False) if year_first else _unseparated(texts)
    forms: dict[Order, str] = {
        "dmy": f"%d{separator}%m{separator}%Y",
        "mdy": f"%m{separator}%d{separator}%Y",
    }
    order, doubt = _order(triples, dotted=separator == ".", prefer=prefer)
    return forms[order], doubt


def _order(triples: list[tuple[int, int, int]], *, dotted: bool, prefer: Order) -> tuple[Order, bool]:
    """Decide whether day or month comes first, and whether that is in doubt."""
    days = [(_day(y, b, a), _day(y, a, b)) for a, b, y in triples]
    # a day that exists in neither order was mistyped: it decides nothing
    only_day_first = {one for one, (x, y) in zip(triples, days, strict=True) if x and not y}
    only_month_first = {one for one, (x, y) in zip(triples, days, strict=True) if y and not x}
    if dotted:
        against = not only_day_first and 2 * len(only_month_first) > len(set(triples))
        return ("mdy" if against else "dmy"), bool(only_month_first)
    sorted_day, sorted_month = (_is_sorted([pair[n] for pair in days if pair[n]]) for n in (0, 1))
    known = {one for one, pair in zip(triples, days, strict=True) if any(pair)}
    if only_day_first and only_month_first:
        return ("dmy" if len(only_day_first) >= len(only_month_first) else "mdy"), True
    if only_day_first or only_month_first:
        order: Order = "dmy" if only_day_first else "mdy"
        alone = sorted_day and not sorted_month if only_day_first else sorted_month and not sorted_day
        return order, not alone and 2 * len(only_day_first | only_month_first) < len(known)
    if sorted_day != sorted_month and len(known) > 2:
        return ("dmy" if sorted_day else "mdy"), len(known) < 4
    return ("mdy" if prefer == "mdy" else "dmy"), any(x != y for x, y in days)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Readings:
    """Both ways to read a column of dates: a text that may be either, and how many of all the texts each way fits.

    Without such a text (mixed orders) `text` is empty.
    """

    text: str
    day_first: date | None
    month_first: date | None
    fit_day_first: int
    fit_month_first: int
    all: int


def readings(samples: Iterable[str]) -> Readings | None:
    """Return how a column reads with the day first and with the month first; None where the order is clear."""
    texts = [t.strip() for t in samples if t.strip()]
    if not judge(texts)[1]:
        return None
    pairs = [(text, _read(text, "%d/%m/%Y"), _read(text, "%m/%d/%Y")) for text in texts]
    either = next(((text, x, y) for text, x, y in pairs if x and y and x != y), ("", None, None))
    fits = (sum(x is not None for _, x, _ in pairs), sum(y is not None for _, _, y in pairs))
    return Readings(either[0][:40], either[1], either[2], *fits, len(pairs))


def _read(text: str, form: str) -> date | None:
    try:
        return to_day(text, form)
    except DateError:
        return None


def _unseparated(texts: list[str]) -> tuple[str, bool]:
    packed = [t for t in texts if _PACKED.fullmatch(t)]
    if packed:
        year_first = all(1900 <= int(t[:4]) <= 2100 for t in packed if len(t) >= 8)
        return ("%Y%m%d" if year_first else "%d%m%Y"), False
    if texts and _NAMED_MDY.fullmatch(texts[0]):
        return "%b %d %Y", False
    return ("%d %b %Y" if any(_NAMED_DMY.fullmatch(t) for t in texts) else ""), False


def _is_sorted(values: list[date | None]) -> bool:
    return values == sorted(values) or values == sorted(values, reverse=True)
