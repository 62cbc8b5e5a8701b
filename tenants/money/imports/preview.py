"""The first rows of a file as a mapping sees them: raw cells beside what would be booked."""

from dataclasses import dataclass, replace
from itertools import islice

from sqlalchemy.orm import Session

from tenants.money.imports import staging
from tenants.money.imports.queries import ImportView
from tenants.money.imports.readers import workbook
from tenants.money.imports.readers.dates import Readings, judge, order_of, readings
from tenants.money.imports.readers.decoding import decode
from tenants.money.imports.readers.delimited import split
from tenants.money.imports.readers.lines import Row, StatementError
from tenants.money.imports.readers.mapping import COLUMNS_MAX, LIST_ROLES, SINGLE_ROLES, Mapping
from tenants.money.imports.readers.propose import writes_day_first
from tenants.money.imports.readers.read import sample
from tenants.money.imports.readers.recognise import HEAD_BYTES
from tenants.money.imports.recognition import recognise_content

SHOWN_ROWS = 8
LINES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Preview:
    """A file's columns: their names (empty: none), some cells of each, and the first rows as they are read.

    `readings` are both orders of day and month, where neither is clear.
    """

    names: list[str]
    cells: list[list[str]]
    rows: list[Row]
    error: tuple[str, dict[str, str]] | None = None
    readings: Readings | None = None


def preview(*, session: Session, view: ImportView, mapping: Mapping, currency: str) -> Preview:
    """Show how a stored table reads by a mapping; what is wrong with it is part of the answer."""
    content = b""
    for chunk in staging.chunks(session=session, import_id=view.id):
        content += chunk
        if view.kind != "xlsx" and len(content) >= HEAD_BYTES:
            break
    head = content if view.kind == "xlsx" else content[:HEAD_BYTES]
    try:
        table = _table(head, view, mapping)
        names = table[mapping.header_line - 1] if 0 < mapping.header_line <= len(table) else []
        filled = [row for row in table[mapping.header_line :] if any(row)]
        cells = filled[:SHOWN_ROWS]
        width = min(COLUMNS_MAX, max([len(names), *(len(row) for row in cells)], default=0))
        names = [*names, *([""] * (width - len(names)))][:width]
    except StatementError as error:
        return Preview([], [], [], (error.code, error.params))
    read = within(mapping, len(names) if mapping.header_line else 0)
    both = _readings(read, names if mapping.header_line else [], filled)
    if not read.is_complete():
        return Preview(names, cells, [], readings=both)
    try:
        recognition = recognise_content(session, view.id, view.size_bytes, mapping.encoding)
        rows = list(islice(sample(head, recognition, read, default_currency=currency), SHOWN_ROWS))
    except StatementError as error:
        return Preview(names, cells, [], (error.code, error.params), both)
    return Preview(names, cells, rows, readings=both)


def _readings(mapping: Mapping, names: list[str], rows: list[list[str]]) -> Readings | None:
    """Return both orders of day and month if the dates and the names of the columns leave it open."""
    places = [n for n in (mapping.date, mapping.value_day) if n is not None]
    texts = [row[n] for n in places for row in rows if n < len(row)]
    if order_of(judge(texts)[0]) == "dmy" and writes_day_first(names):
        return None
    return readings(texts)


def within(mapping: Mapping, width: int) -> Mapping:
    """Return a mapping for a header of so many columns (0: unknown), without what it says beyond them."""
    if not width:
        return replace(mapping, width=0)
    single = {role: None for role in SINGLE_ROLES if (getattr(mapping, role) or 0) >= width}
    lists = {role: tuple(n for n in getattr(mapping, role) if n < width) for role in LIST_ROLES}
    return replace(mapping, width=width, **single, **lists)  # type: ignore[arg-type] # fields by their names


def _table(head: bytes, view: ImportView, mapping: Mapping) -> list[list[str]]:
    if view.kind == "xlsx":
        found = dict(workbook.sheets(head, rows_max=LINES_MAX))
        return found.get(mapping.sheet) or next(iter(found.values()), [])
    lines = decode(head, mapping.encoding).lstrip("\ufeff").split("\n")[:LINES_MAX]
    return [[cell.strip()[:200] for cell in split(line, mapping.delimiter, mapping.quote)] for line in lines]
