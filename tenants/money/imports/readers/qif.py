"""QIF: records of letter-coded lines, ended by a caret."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tenants.money.imports.readers.amounts import AmountError, to_minor
from tenants.money.imports.readers.dates import DateError, judge, to_day
from tenants.money.imports.readers.decoding import LINE_MAX, numbered_lines, texts
from tenants.money.imports.readers.lines import (
    Ignored,
    Line,
    Notes,
    Row,
    StatedBalance,
    Unreadable,
    Wrong,
    joined,
    labelled,
)
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.propose import judge_decimal

_CASH = frozenset({"bank", "ccard", "cash", "oth a", "oth l"})
_RECORD_LINES_MAX = 2_000


def propose_form(text: str) -> Mapping:
    """Find out from a QIF text how its dates and amounts are written; an order that stays open is a doubt."""
    dates: list[str] = []
    amounts: list[str] = []
    in_cash = False
    for line in text.split("\n"):
        if line.startswith("!"):
            in_cash = _section(line) in _CASH
        elif in_cash and line.startswith("D"):
            dates.append(_plain_date(line[1:]))
        elif in_cash and line[:1] in {"T", "U", "$"}:
            amounts.append(line[1:])
    decimal, unsure = judge_decimal(amounts, ())
    form, doubt = judge(dates, prefer="dmy" if decimal == "," else "mdy")
    doubts = [name for name, is_open in (("date_order", doubt), ("decimal_sign", unsure)) if is_open]
    return Mapping(date_format=form or "%m/%d/%Y", decimal=decimal or ".", doubts=tuple(doubts))


def _section(line: str) -> str:
    name, _, kind = line[1:].partition(":")
    return kind.strip().casefold() if name.strip().casefold() == "type" else f"!{name.strip().casefold()}"


def _plain_date(text: str) -> str:
    """Write "1/ 1'00" as "1/1/2000": the apostrophe stands before years from 2000 on."""
    before, mark, year = text.replace(" ", "").partition("'")
    if not mark:
        return before
    return f"{before}/{2000 + int(year)}" if year.isdecimal() and len(year) <= 2 else f"{before}/{year}"


@dataclass(slots=True)
class _Record:
    """The lines of one record with the number of the first."""

    number: int = 0
    lines: list[str] = field(default_factory=list)

    def first(self, letter: str) -> str:
        """Return the record's own value of a letter, not one of its splits."""
        for line in self.lines:
            if line.startswith("S"):
                break
            if line.startswith(letter):
                return line[1:].strip()
        if letter in {"D", "S", "E", "$"}:
            return ""
        return next((line[1:].strip() for line in self.lines if line.startswith(letter)), "")

    def splits(self) -> list[str]:
        """Return the splits as "category memo amount"."""
        found: list[list[str]] = []
        for line in self.lines:
            if line.startswith("S"):
                found.append([line[1:]])
            elif found and line[:1] in {"E", "$"}:
                found[-1].append(line[1:])
        return [" ".join(filter(None, map(str.strip, parts))) for parts in found]


def read_qif(chunks: Iterable[bytes], mapping: Mapping, default_currency: str, notes: Notes) -> Iterator[Row]:
    """Yield what every cash record says. Lists of categories, classes and securities are passed over.

    Raises Unreadable `no_records` or `investment_only` at the end of a file without cash records.
    """
    section, label, record = "", None, _Record()
    seen: set[str] = set()
    for first, lines in numbered_lines(texts(chunks, mapping.encoding)):
        for number, full in enumerate(lines, first):
            line = full[:LINE_MAX].rstrip()
            if line.startswith("!") and not record.lines:
                section = _section(line)
                seen.add(section)
            elif line == "^" or (line.startswith("^") and not line[1:].strip()):
                if section == "!account":
                    label = record.first("N") or label
                elif record.lines:
                    yield from _read(section, label, record, mapping, default_currency, notes)
                record = _Record()
            elif line.startswith("!") and section in _CASH:
                # a record without its caret before the next section
                yield from _read(section, label, record, mapping, default_currency, notes, truncated=True)
                section, record = _section(line), _Record()
                seen.add(section)
            elif line.strip() and section and len(record.lines) < _RECORD_LINES_MAX:
                record.number = record.number or number
                record.lines.append(line)
    if record.lines and section != "!account":
        yield from _read(section, label, record, mapping, default_currency, notes, truncated=True)
    if not seen & _CASH:
        raise Unreadable("investment_only" if "invst" in seen else "no_records")


def _read(
    section: str,
    label: str | None,
    record: _Record,
    mapping: Mapping,
    currency: str,
    notes: Notes,
    *,
    truncated: bool = False,
) -> Iterator[Row]:
    """Yield the row of one record, if its section holds movements."""
    raw = "\n".join(record.lines)
    if section == "invst":
        yield Ignored(record.number, raw, "investment")
    elif section in _CASH:
        row = _line(record, raw, label, mapping, currency)
        if truncated and not isinstance(row, Wrong):
            # without its caret nobody knows whether the record is complete
            row = Wrong(record.number, raw, "truncated", {}, _fields(record, currency, label))
        opening = record.first("P").casefold() == "opening balance"
        if opening and isinstance(row, Ignored | Line):
            minor, day = (row.minor, row.day) if isinstance(row, Line) else (0, None)
            # the record is itself the movement that opens the account
            notes.balances.append(StatedBalance(label, "opening", day, minor, currency, notes.rows + 1))
        yield row


def _line(record: _Record, raw: str, label: str | None, mapping: Mapping, currency: str) -> Row:
    try:
        day = to_day(_plain_date(record.first("D")), mapping.date_format)
        minor, named = to_minor(record.first("T") or record.first("U"), currency, mapping.decimal)
    except (DateError, AmountError) as error:
        code = "missing_date" if error.code == "bad_date" and not record.first("D") else error.code
        return Wrong(record.number, raw, code, error.params, _fields(record, currency, label))
    if minor == 0:
        return Ignored(record.number, raw, "zero")
    if mapping.flip_sign:
        minor = -minor
    return Line(record.number, raw, day, None, minor, named, record.first("P"), _text(record), None, label)


def _text(record: _Record) -> str:
    """Return memo, number, category and splits as one text."""
    splits = record.splits()
    category = "" if splits else record.first("L")
    return joined([record.first("M"), record.first("N"), category, *splits])


def _fields(record: _Record, currency: str, label: str | None) -> dict[str, str]:
    return {
        "date": _plain_date(record.first("D")),
        "amount": record.first("T") or record.first("U"),
        "currency": currency,
        "counterparty": record.first("P"),
        "text": _text(record),
        **labelled(label),
    }
