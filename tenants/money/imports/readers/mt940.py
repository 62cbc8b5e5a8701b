"""MT940 and MT942: SWIFT's customer statements, with the habits of German, Dutch and Swiss banks."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from tenants.money.imports.readers.amounts import AmountError, to_minor
from tenants.money.imports.readers.dates import DateError, full_year, to_day
from tenants.money.imports.readers.decoding import LINE_MAX, numbered_lines, texts
from tenants.money.imports.readers.lines import Ignored, Line, Notes, Row, StatedBalance, Wrong, bank_id, labelled
from tenants.money.imports.readers.mt940_details import details
from webapp.kernel.money import decimal

_TAG = re.compile(r"^(?:\{\d:.*\{4:)?:(\d{2}[A-Z]?|NS):")
# ISO 15022 field 61: 6!n[4!n]2a[1!a]15d1!a3!c16x[//16x][34x]; banks shorten the amount and omit the type
_ENTRY = re.compile(
    r"(?P<value>\d{6})(?P<entry>\d{4})?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?(?P<amount>\d*,\d*|\d+)"
    r"(?P<kind>[A-Z][A-Z0-9]{3})?(?P<own>.*?)(?://(?P<bank>.*))?",
    re.ASCII,
)
_BALANCE = re.compile(r"(?P<mark>[CD])(?P<day>\d{6})(?P<currency>[A-Z]{3})(?P<amount>\d*,\d*|\d+)", re.ASCII)
_FIELD_LINES_MAX = 100
_END = re.compile(r"^-(?:\}.*|XXX|\s*)$")


@dataclass(slots=True)
class _Field:
    """One field: its tag, its lines and where it starts."""

    tag: str
    number: int
    lines: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Entry:
    """A statement line (61) and the details (86) that follow it."""

    number: int
    line: list[str]
    details: list[str] = field(default_factory=list)


def read_mt940(chunks: Iterable[bytes], encoding: str, default_currency: str, notes: Notes) -> Iterator[Row]:
    """Yield every statement line of every message in the file."""
    statement = _Statement(default_currency, notes)
    last: _Field | None = None
    for found in _fields(texts(chunks, encoding)):
        yield from statement.take(found)
        last = found
    if last is not None and statement.is_open:
        yield statement.cut_off(last.number)
    yield from statement.close()


def _fields(parts: Iterable[str]) -> Iterator[_Field]:
    """Gather physical lines into fields; what stands between messages is passed over."""
    current: _Field | None = None
    for first, lines in numbered_lines(parts):
        for number, full in enumerate(lines, first):
            line = full[:LINE_MAX].rstrip("\r\x03 ")
            tag = _TAG.match(line)
            if tag or _END.match(line):
                if current:
                    yield current
                current = _Field(tag[1], number, [line[tag.end() :]]) if tag else None
                if tag is None:
                    yield _Field("-", number)
            elif current and line.strip() and len(current.lines) < _FIELD_LINES_MAX:
                current.lines.append(line)
    if current:
        yield current


class _Statement:
    """The message being read: its account, currency and the entry that waits for its details."""

    def __init__(self, default_currency: str, notes: Notes) -> None:
        self._default = default_currency
        self._notes = notes
        self._currency = default_currency
        self._label: str | None = None
        self._entry: _Entry | None = None
        self.is_open = False

    def take(self, found: _Field) -> Iterator[Row]:
        """Take one field; yields the entry before it when it is complete."""
        if found.tag == "86":
            if self._entry is not None:
                self._entry.details.extend(found.lines)
            return
        yield from self.close()
        first = found.lines[0] if found.lines else ""
        if found.tag == "61":
            self._entry = _Entry(found.number, found.lines)
        elif found.tag == "20":
            self._currency, self._label, self.is_open = self._default, None, True
        elif found.tag == "25":
            self._label = _account(first)
        elif found.tag in {"60F", "60M", "62F", "62M"}:
            self._balance(found.tag, first)
            self.is_open = self.is_open and not found.tag.startswith("62")
        elif found.tag == "34F":
            self._currency = first[:3] if first[:3].isalpha() else self._currency
            self.is_open = False  # an interim report has no closing balance
        elif found.tag == "-":
            self.is_open = False

    def close(self) -> Iterator[Row]:
        """Yield the waiting entry."""
        if self._entry is not None:
            entry, self._entry = self._entry, None
            yield self._row(entry)

    def cut_off(self, number: int) -> Wrong:
        """Return the wrong row of a message without its end; the entry that waits may be incomplete."""
        entry, self._entry = self._entry, None
        if entry is None:
            return Wrong(number, "", "truncated", {}, {})
        row = self._row(entry)
        if isinstance(row, Wrong):
            return row._replace(code="truncated", params={})
        fields = {"date": entry.line[0][:6], "amount": "", "currency": self._currency, "counterparty": "", "text": ""}
        if isinstance(row, Line):
            amount = decimal(row.minor, row.currency)
            fields |= {
                "date": row.day.isoformat(),
                "amount": amount,
                "counterparty": row.counterparty,
                "text": row.text,
            }
        fields |= labelled(self._label)
        return Wrong(entry.number, row.raw, "truncated", {}, fields)

    def _balance(self, tag: str, text: str) -> None:
        match = _BALANCE.match(text.strip())
        if match is None:
            return
        self._currency = match["currency"]
        try:
            minor, currency = to_minor(match["amount"], self._currency, ",")
            day = to_day(match["day"], "%Y%m%d")
        except (AmountError, DateError):
            return  # a balance that cannot be read is none that could be compared
        if tag.endswith("M"):
            return  # a page ends or begins in the middle of a statement
        signed = -minor if match["mark"] == "D" else minor
        stated = StatedBalance(
            self._label, "opening" if tag == "60F" else "closing", day, signed, currency, self._notes.rows
        )
        self._notes.balances.append(stated)

    def _row(self, entry: _Entry) -> Row:
        raw = "\n".join([f":61:{entry.line[0]}", *entry.line[1:]])
        if entry.details:
            raw += "\n:86:" + "\n".join(entry.details)
        match = _ENTRY.fullmatch(entry.line[0].strip())
        said = details(entry.details or entry.line[1:])
        fields = {"currency": self._currency, "counterparty": said.counterparty, "text": said.text}
        fields |= labelled(self._label)
        if match is None:
            return Wrong(entry.number, raw, "bad_record", {}, {"date": entry.line[0][:6], "amount": "", **fields})
        outward = match["mark"] in {"D", "RC", "ED"}
        amount = ("-" if outward else "") + match["amount"]
        try:
            value_day = _value_day(match["value"])
            day = _entry_day(match["entry"], match["value"], value_day)
            minor, currency = to_minor(amount, self._currency, ",")
        except (DateError, AmountError) as error:
            return Wrong(
                entry.number, raw, error.code, error.params, {"date": match["value"], "amount": amount, **fields}
            )
        if minor == 0:
            return Ignored(entry.number, raw, "zero")
        identity = bank_id((match["bank"] or "").strip(), day, minor)
        own = (match["own"] or "").strip()
        text = said.text or ("" if own in {"NONREF", "NOTPROVIDED"} else own)
        return Line(entry.number, raw, day, value_day, minor, currency, said.counterparty, text, identity, self._label)


def _value_day(text: str) -> date | None:
    """Read YYMMDD; None for 30 February, on which banks value interest. Raises DateError for other days."""
    if text[2:] in {"0229", "0230"}:
        try:
            return to_day(text, "%Y%m%d")
        except DateError:
            return None
    return to_day(text, "%Y%m%d")


def _entry_day(entry: str | None, value: str, value_day: date | None) -> date:
    """Return the booking day: MMDD in the year that is nearest to the value date. Raises DateError."""
    if entry is None:
        if value_day is None:
            raise DateError("no_such_day", {"value": value})
        return value_day
    year = full_year(value[:2])
    if value_day is None:
        return to_day(f"{year}{entry}", "%Y%m%d")
    days: list[date] = []
    for candidate in (year, year - 1, year + 1):
        try:
            days.append(date(candidate, int(entry[:2]), int(entry[2:])))
        except ValueError:
            continue
    if not days:
        raise DateError("no_such_day", {"value": f"{entry[2:]}.{entry[:2]}."})
    return min(days, key=lambda day: abs(day - value_day))


def _account(text: str) -> str | None:
    """Return the account of field 25 without the currency that some banks write behind it."""
    account = text.strip()
    return re.sub(r"(?<=\d)\s?[A-Z]{3}$", "", account)[:70] or None
