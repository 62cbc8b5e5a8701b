"""Find the table in a text or a sheet: its delimiter, its header line, and what its columns mean."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tenants.money.imports.readers import csv_formats
from tenants.money.imports.readers.delimited import ending_of, split
from tenants.money.imports.readers.headers import looks_like_header
from tenants.money.imports.readers.mapping import COLUMNS_MAX, DELIMITERS, Mapping
from tenants.money.imports.readers.propose import propose
from tenants.money.imports.readers.reuse import named

HEADER_LINES_MAX = 40
"""How far down a header is looked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """A table: its format ("generic" if none is known), its header (empty: none) and the mapping if it is clear."""

    format: str
    header: tuple[str, ...]
    header_line: int
    delimiter: str
    mapping: Mapping | None
    width: int = 0

    def layout(self) -> Mapping:
        """Return where the table is, as a mapping without roles."""
        width = len(self.header) or (self.mapping.width if self.mapping else self.width)
        return Mapping(delimiter=self.delimiter, header_line=self.header_line, width=width)


def fingerprint(header: Sequence[str], width: int) -> str:
    """Return what identifies a header, whatever the case, the accents, the columns' order and the file it is in."""
    names = "\x1f".join(sorted(named(header))) if header else f"no header, {width} columns"
    return hashlib.sha256(names.encode()).hexdigest()[:32]


def in_lines(lines: list[str], chosen: str = "") -> Found | None:
    """Find the table in the lines of a text, by the delimiter that was chosen if any; None if there are no columns."""
    delimiters: tuple[str, ...] = (chosen,) if chosen else DELIMITERS
    if not chosen and lines and lines[0].strip().lower().startswith("sep=") and len(lines[0].strip()) == 5:
        delimiters = (lines[0].strip()[4],)
    tables = {d: _records(lines, d) for d in delimiters if d not in '"\r\n\0'}
    named = next((found for d, records in tables.items() if (found := _known(records, d))), None)
    if named:
        return named
    guesses = [found for d, records in tables.items() if (found := _with_header(records, d))]
    if guesses:
        return max(guesses, key=lambda found: (found.mapping is not None, len(found.header)))
    return _without_names(tables)


def in_rows(rows: list[list[str]]) -> Found | None:
    """Find the table in the rows of a sheet."""
    records = [(number, row) for number, row in enumerate(rows, 1)]
    return _known(records, ",") or _with_header(records, ",") or _without_names({",": records})


def at_line(lines: list[str], delimiter: str, header_line: int) -> Found:
    """Return the table whose delimiter and header line (0: none) a person has chosen."""
    return _chosen(_records(lines, delimiter), delimiter, header_line)


def at_row(rows: list[list[str]], header_line: int) -> Found:
    """Return the table of a sheet whose header line (0: none) a person has chosen."""
    return _chosen(list(enumerate(rows, 1)), ",", header_line)


def _chosen(records: "_Records", delimiter: str, header_line: int) -> Found:
    header = next((_trimmed(cells) for number, cells in records if number == header_line), [])[:COLUMNS_MAX]
    rows = [cells[:COLUMNS_MAX] for number, cells in records if number > header_line]
    width = max(1, len(header) or max((len(cells) for cells in rows), default=0))
    known = csv_formats.match(header) if header else None
    mapping = csv_formats.mapping_of(known, header, _columns(rows, width)) if known else propose(header, rows)
    if mapping is not None:
        mapping = replace(mapping, delimiter=delimiter, header_line=header_line)
    return Found(known.code if known else "generic", tuple(header), header_line, delimiter, mapping, width)


_Records = list[tuple[int, list[str]]]


def _records(lines: list[str], delimiter: str) -> _Records:
    """Return the rows with their line numbers; a quoted field may go on for some lines."""
    records: _Records = []
    pending: list[str] = []
    for number, line in enumerate(lines, 1):
        if pending:
            pending.append(line)
            ending = ending_of(line, delimiter, '"', inside=True)
            if ending == "open" and len(pending) < 20:
                continue
            start = number - len(pending) + 1
            if ending == "closed":
                records.append((start, split("\n".join(pending), delimiter, '"')))
            else:
                records.extend((start + i, part.split(delimiter)) for i, part in enumerate(pending))
            pending = []
        elif '"' in line and ending_of(line, delimiter, '"') == "open":
            pending = [line]
        else:
            records.append((number, split(line, delimiter, '"')))
    records.extend((len(lines) - len(pending) + 1 + i, part.split(delimiter)) for i, part in enumerate(pending))
    return records


def _known(records: _Records, delimiter: str) -> Found | None:
    """Return the table of a known bank format."""
    for at, (number, cells) in enumerate(records[:HEADER_LINES_MAX]):
        if len(cells) < 3 or len(cells) > COLUMNS_MAX:
            continue
        known = csv_formats.match(cells)
        if known is None:
            continue
        header = _trimmed(cells)
        columns = _columns([row for _, row in records[at + 1 :]], len(header))
        mapping = replace(csv_formats.mapping_of(known, header, columns), delimiter=delimiter, header_line=number)
        return Found(known.code, tuple(header), number, delimiter, mapping)
    return None


def _with_header(records: _Records, delimiter: str) -> Found | None:
    """Return a table whose header names at least a date and an amount."""
    for at, (number, cells) in enumerate(records[:HEADER_LINES_MAX]):
        if not 2 <= len(cells) <= COLUMNS_MAX or not looks_like_header(cells):
            continue
        header = _trimmed(cells)
        mapping = propose(header, _like(records[at + 1 :], len(header)))
        if mapping is not None:
            mapping = replace(mapping, delimiter=delimiter, header_line=number)
        return Found("generic", tuple(header), number, delimiter, mapping)
    return None


def _without_names(tables: dict[str, _Records]) -> Found | None:
    """Return a table without a header, or with one in unknown words: a person decides what a column means."""
    best: tuple[int, int, str] | None = None
    for delimiter, records in tables.items():
        widths = Counter(len(row) for _, row in records[:200] if 1 < len(row) <= COLUMNS_MAX)
        if widths:
            width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
            best = max(best or (0, 0, ""), (count, width, delimiter))
    if best is None:
        return None
    count, width, delimiter = best
    rows = [(number, row) for number, row in tables[delimiter] if len(row) == width]
    if count * 2 < sum(1 for _, row in tables[delimiter][:200] if any(map(str.strip, row))) or width < 2:
        return None
    mapping = propose((), [row for _, row in rows])
    if mapping is not None:
        return Found("generic", (), 0, delimiter, replace(mapping, delimiter=delimiter))
    number, first = rows[0]
    by_content = propose((), [row for _, row in rows[1:]])
    header = tuple(_trimmed(first)) if len(rows) > 1 or not any(any(map(str.isdigit, c)) for c in first) else ()
    if by_content is not None and header:
        # the columns have names, but in words that are not known: what they hold is a proposal, to be confirmed
        mapping = replace(by_content, delimiter=delimiter, header_line=number, width=len(header), doubts=("columns",))
        return Found("generic", header, number, delimiter, mapping)
    return Found("generic", header, number if header else 0, delimiter, None, width)


def _like(records: _Records, width: int) -> list[list[str]]:
    """Return the rows that belong to the table: as wide as its header, or nearly."""
    return [row for _, row in records if 2 <= len(row) <= max(width, len(row) if not any(row[width:]) else 0)]


def _columns(rows: list[list[str]], width: int) -> list[list[str]]:
    return [[row[i].strip() for row in rows if i < len(row) and row[i].strip()] for i in range(width)]


def _trimmed(cells: list[str]) -> list[str]:
    """Return a header without empty names at its end."""
    header = [cell.strip().strip("\ufeff") for cell in cells]
    while len(header) > 2 and not header[-1]:
        header.pop()
    return header
