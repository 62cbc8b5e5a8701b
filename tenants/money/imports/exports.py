"""The rows of an import as CSV, harmless to spreadsheets: text that looks like a formula is marked as text."""

import csv
import io
from collections.abc import Iterator

from sqlalchemy.orm import Session

from tenants.money.imports import queries
from tenants.money.imports.queries import ImportView
from tenants.money.imports.rules import harmless
from webapp.kernel.money import decimal

PAGE_ROWS = 1_000
HEADER = (
    "line",
    "state",
    "reason",
    "date",
    "value_date",
    "amount",
    "currency",
    "counterparty",
    "description",
    "account_id",
    "raw",
)


def csv_rows(*, session: Session, view: ImportView, state: str | None = None) -> Iterator[str]:
    """Yield the CSV (RFC 4180) in pieces, with its header; amounts are plain numbers, dates ISO 8601."""
    yield _written([HEADER])
    after = 0
    while found := queries.rows(session=session, view=view, limit=PAGE_ROWS, state=state, after=after):
        yield _written(
            [
                (
                    str(row.line),
                    row.state,
                    row.reason or "",
                    row.day.isoformat() if row.day else "",
                    row.value_day.isoformat() if row.value_day else "",
                    decimal(row.amount, row.currency) if row.amount is not None and row.currency else "",
                    row.currency if row.amount is not None and row.currency else "",
                    harmless(row.counterparty),
                    harmless(row.description),
                    str(row.account_id or ""),
                    harmless(row.raw),
                )
                for row in found
            ]
        )
        after = found[-1].position


def _written(rows: object) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)  # type: ignore[arg-type]  # rows of texts, made above
    return out.getvalue()
