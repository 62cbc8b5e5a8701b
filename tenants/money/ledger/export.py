"""Registers as CSV (RFC 4180): ISO dates, decimal points, and no text that a spreadsheet would take for a formula."""

import csv
import io
from collections.abc import Iterable, Iterator

from tenants.money.accounts.tree import label
from tenants.money.ledger.rows import Row
from webapp.kernel.money import decimal

EXPORT_MAX = 100_000
"""Rows of one file."""
COLUMNS = (
    "date",
    "payee",
    "description",
    "category",
    "account",
    "amount",
    "currency",
    "cleared",
    "state",
    "note",
    "entry",
    "tags",
)

_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def harmless(text: str) -> str:
    """Return a text that stays text in a spreadsheet (OWASP, CSV injection): a formula gets a quote before it."""
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA) or text.startswith(_FORMULA) else text


def csv_lines(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a file, the first with a byte order mark so that spreadsheets read UTF-8."""
    yield "\ufeff" + _line(COLUMNS)
    for row in rows:
        category = label(row.category) if row.category else ""
        for currency, minor in row.amounts:
            yield _line(
                (
                    row.entry.day.isoformat(),
                    harmless(row.entry.counterparty),
                    harmless(row.entry.description),
                    harmless(category),
                    harmless(label(row.account)),
                    decimal(minor, currency),
                    currency,
                    "yes" if row.cleared else "no",
                    "open" if row.is_open else "closed",
                    harmless(row.entry.note),
                    str(row.entry.id),
                    " ".join(row.entry.tags),
                )
            )


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()
