"""OFX 1.x (SGML), 2.x (XML) and QFX as banks really write them: a tolerant reader of tags, without DTD or entities."""

import html
import re
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import zip_longest
from typing import NamedTuple

from tenants.money.imports.readers.amounts import AmountError, to_minor
from tenants.money.imports.readers.dates import DateError, to_day
from tenants.money.imports.readers.decoding import texts
from tenants.money.imports.readers.lines import (
    Ignored,
    Line,
    Notes,
    Row,
    StatedBalance,
    Unreadable,
    Wrong,
    bank_id,
    collapse,
    joined,
    labelled,
)

RECORD_MAX = 64 * 1024
"""Longest transaction record that is read, in characters."""
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9_.]*)\s*(/?)>")
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_DTD = re.compile(r"<!\s*(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST)\b", re.IGNORECASE)
_INVESTMENT = frozenset(
    [
        "BUYDEBT",
        "BUYMF",
        "BUYOPT",
        "BUYOTHER",
        "BUYSTOCK",
        "CLOSUREOPT",
        "INCOME",
        "INVEXPENSE",
        "JRNLFUND",
        "JRNLSEC",
        "MARGININTEREST",
        "REINVEST",
        "RETOFCAP",
        "SELLDEBT",
        "SELLMF",
        "SELLOPT",
        "SELLOTHER",
        "SELLSTOCK",
        "SPLIT",
        "TRANSFER",
    ]
)
_STATEMENTS = frozenset({"STMTRS", "CCSTMTRS", "INVSTMTRS", "LOANSTMTRS"})


class _Tag(NamedTuple):
    """One tag with the text behind it, as written and as meant."""

    number: int
    closing: bool
    name: str
    value: str
    source: str


def read_ofx(chunks: Iterable[bytes], encoding: str, default_currency: str, notes: Notes) -> Iterator[Row]:
    """Yield every bank transaction of every statement in the file.

    Raises Unreadable `dtd`, and `investment_only` at the end of a file that holds nothing but securities.
    """
    reader = _Reader(default_currency, notes)
    booked = investments = 0
    for tag in _tags(texts(chunks, encoding)):
        row = reader.take(tag)
        if row is not None:
            booked += not isinstance(row, Ignored)
            investments += isinstance(row, Ignored) and row.code == "investment"
            yield row
    if (row := reader.cut_off()) is not None:
        booked += 1
        yield row
    if investments and not booked:
        raise Unreadable("investment_only")


def _tags(parts: Iterable[str]) -> Iterator[_Tag]:
    """Split the text into tags, in bounded memory."""
    buffer, number = "", 1
    for part in parts:
        buffer += part
        if _DTD.search(buffer):
            raise Unreadable("dtd")
        safe = buffer.rfind("<")
        cdata = buffer.rfind("<![CDATA[")
        if cdata >= 0 and "]]>" not in buffer[cdata:]:
            safe = min(safe, cdata)
        # the text behind the last tag may go on in the next part
        before = [m.start() for m in _TAG.finditer(buffer, max(0, safe - RECORD_MAX), max(safe, 0))]
        cut = before[-1] if before else 0
        if len(buffer) - cut > RECORD_MAX * 4:
            cut = len(buffer) - RECORD_MAX
        yield from _split(buffer[:cut], number)
        number += buffer.count("\n", 0, cut)
        buffer = buffer[cut:]
    yield from _split(buffer, number)


def _split(text: str, number: int) -> Iterator[_Tag]:
    """Yield the tags of a piece of text that starts at a line number."""
    hidden = _CDATA.sub(lambda m: html.escape(m[1], quote=False), text) if "<![CDATA[" in text else text
    matches = list(_TAG.finditer(hidden))
    at = 0
    for match, following in zip_longest(matches, matches[1:]):
        number += hidden.count("\n", at, match.start())
        at = match.start()
        end = following.start() if following else len(hidden)
        value = collapse(html.unescape(hidden[match.end() : end]))
        yield _Tag(number, bool(match[1]), match[2].upper(), value, hidden[match.start() : end])


class _Reader:
    """Follows the tags: where we are, and the record that is being read."""

    def __init__(self, default_currency: str, notes: Notes) -> None:
        self._default = default_currency
        self._notes = notes
        self._currency = default_currency
        self._label: str | None = None
        self._place = ""
        self._record: dict[str, str] | None = None
        self._source: list[str] = []
        self._length = 0
        self._number = 1
        self._inner = ""
        self._balance: dict[str, str] = {}
        self._open = False
        self._investment: tuple[int, list[str]] | None = None

    def take(self, tag: _Tag) -> Row | None:
        """Take one tag; returns a row when it completes one."""
        if tag.name == "OFX":
            self._open = not tag.closing
        if self._investment is not None or (tag.name in _INVESTMENT and not self._record):
            return self._take_investment(tag)
        if self._record is not None:
            return self._take_in_record(tag)
        if tag.closing:
            if tag.name == self._place:
                self._leave()
        elif tag.name == "STMTTRN":
            self._start(tag)
        elif tag.name in _STATEMENTS:
            self._currency, self._label = self._default, None
        elif tag.name in {"BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "LEDGERBAL", "AVAILBAL", "LOANACCTFROM"}:
            self._place, self._balance = tag.name, {}
        elif tag.name == "CURDEF":
            self._currency = tag.value.upper() or self._default
        elif tag.name in {"ACCTID", "LOANACCTID"} and self._place.endswith("ACCTFROM"):
            self._label = tag.value or None
        elif tag.name in {"BALAMT", "DTASOF"} and self._place == "LEDGERBAL":
            self._balance[tag.name] = tag.value
        return None

    def cut_off(self) -> Row | None:
        """Return what is left when the file ends: nothing, or a wrong row that says that it was cut."""
        if self._record is not None:
            source, fields = self._raw(), self._fields()
            return Wrong(self._number, source, "truncated", {}, fields)
        return Wrong(self._number, "", "truncated", {}, {}) if self._open else None

    def _start(self, tag: _Tag) -> None:
        self._record, self._source, self._number, self._inner = {}, [tag.source], tag.number, ""
        self._length = len(tag.source)

    def _take_in_record(self, tag: _Tag) -> Row | None:
        if tag.name in {"STMTTRN", "BANKTRANLIST", "STMTRS", "OFX", "CCSTMTRS"}:
            # a record may lack its closing tag
            if tag.name == "STMTTRN" and tag.closing:
                self._source.append("</STMTTRN>")
            row = self._line()
            self._record = None
            if tag.name == "STMTTRN" and not tag.closing:
                self._start(tag)
            return row
        self._number = self._number or tag.number
        self._length += len(tag.source)
        if self._length <= RECORD_MAX:
            self._source.append(tag.source)
        record = self._record
        if record is None:
            return None
        if tag.name in {"PAYEE", "BANKACCTTO", "CCACCTTO", "CURRENCY", "ORIGCURRENCY"}:
            self._inner = "" if tag.closing else tag.name
        elif not tag.closing and (tag.value or tag.name not in record):
            key = (
                f"{self._inner}.{tag.name}"
                if self._inner in {"BANKACCTTO", "CCACCTTO", "CURRENCY", "ORIGCURRENCY"}
                else tag.name
            )
            record.setdefault(key, tag.value)
        return None

    def _take_investment(self, tag: _Tag) -> Row | None:
        if self._investment is None:
            self._investment = (tag.number, [tag.name])
        number, names = self._investment
        if not (tag.closing and tag.name == names[0]) and tag.name not in {"INVTRANLIST", "OFX"}:
            if len(names) < 100:
                names.append(tag.source.strip())
            return None
        self._investment = None
        return Ignored(number, "".join(names[1:]), "investment")

    def _leave(self) -> None:
        if self._place == "LEDGERBAL" and self._balance:
            try:
                minor, currency = to_minor(self._balance.get("BALAMT", ""), self._currency)
                day = _day(self._balance.get("DTASOF", ""))
            except (AmountError, DateError):
                pass  # a balance that cannot be read is none that could be compared
            else:
                self._notes.balances.append(StatedBalance(self._label, "closing", day, minor, currency))
        self._place, self._balance = "", {}

    def _raw(self) -> str:
        return "".join(self._source).strip()

    def _line(self) -> Row:
        record = self._record or {}
        raw = self._raw()
        currency = record.get("CURRENCY.CURSYM", "").upper() or self._currency
        try:
            day = _day(record.get("DTPOSTED", ""))
            minor, currency = to_minor(record.get("TRNAMT", ""), currency)
        except (DateError, AmountError) as error:
            return Wrong(self._number, raw, error.code, error.params, self._fields())
        if minor == 0:
            return Ignored(self._number, raw, "zero")
        try:
            value_day = _day(record["DTAVAIL"]) if record.get("DTAVAIL") else None
        except DateError:
            value_day = None
        identity = bank_id(record.get("FITID", ""), day, minor)
        fields = self._fields()
        name, text = fields["counterparty"], fields["text"]
        return Line(self._number, raw, day, value_day, minor, currency, name, text, identity, self._label)

    def _fields(self) -> dict[str, str]:
        record = self._record or {}
        name = record.get("NAME", "")
        memo = record.get("MEMO", "")
        check = record.get("CHECKNUM", "").strip("0")
        return {
            "date": record.get("DTPOSTED", "")[:8],
            "amount": record.get("TRNAMT", ""),
            "currency": record.get("CURRENCY.CURSYM", "") or self._currency,
            "counterparty": name or record.get("EXTDNAME", ""),
            "text": joined(["" if memo == name else memo, record.get("CHECKNUM", "") if check else ""]),
            **labelled(self._label),
        }


def _day(text: str) -> date:
    """Read an OFX date: "20090401122017.000[-5:EST]" is the first of April. Raises DateError."""
    digits = text.strip()[:8]
    return to_day(digits if digits.isascii() and digits.isdigit() else text.strip()[:10], "%Y%m%d")
