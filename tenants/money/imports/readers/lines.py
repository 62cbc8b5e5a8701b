"""What a statement says: lines to book, rows that could not be read, rows rightly not booked, stated balances."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, NamedTuple

RAW_MAX = 20_000
"""Longest source text that is carried for one record, in characters."""


def N_(message: str) -> str:  # noqa: N802 - the name that message extraction looks for
    """Mark a message for translation; it is translated where it is shown."""
    return message


class Line(NamedTuple):
    """One movement to book. `minor` is signed from the holder's view: money in is positive."""

    line: int
    raw: str
    day: date
    value_day: date | None
    minor: int
    currency: str
    counterparty: str
    text: str
    bank_id: str | None
    account_label: str | None


class Wrong(NamedTuple):
    """One row that could not be read: a code of REASONS, its parameters and the texts found, to be edited in place.

    `fields` has date, amount (with its sign), currency, counterparty and text; and account_label if the file has one.
    """

    line: int
    raw: str
    code: str
    params: dict[str, str]
    fields: dict[str, str]


class Ignored(NamedTuple):
    """One row that is rightly not booked: pending, reverted, a total, information."""

    line: int
    raw: str
    code: str


Row = Line | Wrong | Ignored


class StatedBalance(NamedTuple):
    """A balance that the bank states in the file, in minor units, on `day`.

    `after` is how many rows of the file come before it: of the rows of its day it counts those and no others. None: the
    order of the file says nothing, and it is the one at the end of the day.
    """

    account_label: str | None
    kind: Literal["opening", "closing"]
    day: date | None
    minor: int
    currency: str
    after: int | None = None


@dataclass(slots=True)
class Notes:
    """What a reader learns beside the rows: stated balances, and rows to book per account label and currency.

    `rows` counts the rows that were taken from the reader.
    """

    balances: list[StatedBalance] = field(default_factory=list)
    rows: int = 0
    labels: Counter[tuple[str | None, str]] = field(default_factory=Counter)


class StatementError(Exception):
    """A statement that cannot be read at all; `code` is a key of REASONS."""

    def __init__(self, code: str, params: dict[str, str] | None = None) -> None:
        self.code = code
        self.params = params or {}
        super().__init__(REASONS[code] % self.params)


class Unreadable(StatementError):
    """A file that is no statement, is damaged or is hostile."""


class TooManyRows(StatementError):
    """A file with more rows than one import may have; `limit` says how many."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__("too_many_rows", {"limit": str(limit)})


_BANK_NON_IDS = frozenset({"NONREF", "NOTPROVIDED", "NOTAVAILABLE", "NOREF", "UNKNOWN", "NULL", "NONE", "NA"})


def bank_id(reference: str, day: date, minor: int) -> str | None:
    """Return an identity from a bank's own reference, or None when it says nothing.

    Some banks number from 1 again in the next file; with day and amount beside it, such a number is not an old one.
    """
    text = reference.strip()
    if not text.strip("0 -") or "".join(filter(str.isalnum, text)).upper() in _BANK_NON_IDS:
        return None
    return f"{text[:200]}|{day.isoformat()}|{minor}"


def labelled(label: str | None) -> dict[str, str]:
    """Return the field `account_label` of a wrong row, if the file names an account for it."""
    return {"account_label": label} if label else {}


def collapse(text: str) -> str:
    """Return text on one line, with single spaces."""
    return " ".join(text.split())


def joined(parts: Iterable[str], separator: str = " · ") -> str:
    """Join the parts that say something, each once."""
    seen: dict[str, None] = {}
    for part in parts:
        text = collapse(part)
        if text and text not in _SAYS_NOTHING:
            seen.setdefault(text)
    return separator.join(seen)


_SAYS_NOTHING = frozenset({"-", "--", "n/a", "N/A"})

REASONS: dict[str, str] = {
    # of Wrong rows
    "bad_date": N_("“%(value)s” is not a date in the form %(form)s."),
    "no_such_day": N_("“%(value)s” is a day that does not exist."),
    "missing_date": N_("The date is missing."),
    "bad_amount": N_("“%(value)s” is not an amount."),
    "missing_amount": N_("The amount is missing."),
    "too_precise": N_("“%(value)s” has more decimals than %(currency)s has (%(places)s)."),
    "too_large": N_("“%(value)s” is larger than an entry can hold."),
    "unknown_currency": N_("“%(value)s” is not a currency that is known."),
    "unknown_status": N_("The state “%(value)s” is not known; book the row or leave it out."),
    "bad_sign": N_("“%(value)s” says neither in nor out."),
    "missing_column": N_("The row has %(found)s columns; %(expected)s are needed."),
    "extra_column": N_("The row has %(found)s columns, the header has %(expected)s."),
    "unclosed_quote": N_("A quotation mark is opened in this row and never closed."),
    "swallowed": N_("The quotation mark that is open since line %(opened)s swallows this row."),
    "line_too_long": N_("The row is longer than %(limit)s characters."),
    "truncated": N_("The file ends in the middle; what follows is missing."),
    "malformed": N_("From line %(at)s on the file is damaged and cannot be read."),
    "bad_record": N_("The record does not have the form that is expected here."),
    # of Ignored rows
    "pending": N_("Not booked by the bank yet."),
    "reverted": N_("Taken back by the bank."),
    "not_booked": N_("Has a state that is not booked."),
    "total": N_("A total, not a movement."),
    "balance": N_("A balance, not a movement."),
    "empty": N_("An empty row."),
    "repeated_header": N_("The header again."),
    "zero": N_("An amount of zero: nothing to book."),
    "information": N_("Information only, not a movement."),
    "investment": N_("A movement of securities; only cash is imported."),
    # of whole files, Unreadable and TooManyRows
    "empty_file": N_("The file is empty."),
    "pdf": N_("This is a PDF. Download the statement as CSV, OFX, MT940, CAMT or XLSX instead."),
    "image": N_("This is a picture, not a statement."),
    "old_excel": N_("This is an old Excel file (XLS). Save it as XLSX or CSV."),
    "archive": N_("This is a compressed archive. Unpack it and upload the statement that is inside."),
    "web_page": N_("This is a web page, not a statement. Use the bank's download instead of saving the page."),
    "json": N_("This is JSON, which is not a statement format."),
    "binary": N_("This is not a text file and no statement format that is known."),
    "unknown_xml": N_("This XML file is neither CAMT nor OFX."),
    "unknown_text": N_("No columns and no statement format were found in this text."),
    "dtd": N_("The file declares a document type or entities, which is refused for safety."),
    "too_deep": N_("The file is nested deeper than %(limit)s levels."),
    "investment_only": N_("The file holds movements of securities only; there is nothing to book."),
    "no_records": N_("The file holds lists, but no bank movements."),
    "damaged": N_("The file is damaged and cannot be opened."),
    "encrypted": N_("The file is protected by a password."),
    "too_big_unpacked": N_("Unpacked, the file would be larger than %(limit)s MB or is packed suspiciously tight."),
    "too_wide": N_("The sheet has more than %(limit)s cells."),
    "no_mapping": N_("Say first which column means what."),
    "bad_mapping": N_("The columns that were chosen do not fit: %(detail)s."),
    "too_many_rows": N_("The file has more than %(limit)s rows. Split it and import the parts."),
}
"""English messages by code, with %(name)s placeholders."""
