"""CSV: physical lines to rows. No line is ever lost, whatever the quotation marks do."""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from tenants.money.imports.readers.balances import stated_in
from tenants.money.imports.readers.dates import looks_like_day
from tenants.money.imports.readers.decoding import LINE_MAX, numbered_lines, texts
from tenants.money.imports.readers.lines import Notes, Row, Wrong
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.rows import Table

OPEN_LINES_MAX = 200
"""How many lines one quoted field may span before its quotation mark is taken for a stray one."""

Ending = Literal["closed", "open", "stray"]


def read_delimited(chunks: Iterable[bytes], mapping: Mapping, default_currency: str, notes: Notes) -> Iterator[Row]:
    """Yield what every row of a CSV file says, in the order of the file."""
    table = Table(mapping, default_currency, notes)
    open_field: _OpenField | None = None
    quote, delimiter, header_line = mapping.quote, mapping.delimiter, mapping.header_line
    read, split_line = table.read, splitter(delimiter, quote)
    for first, lines in numbered_lines(texts(chunks, mapping.encoding)):
        for number, line in enumerate(lines, first):
            if number <= header_line:
                _above(table, line, notes, is_header=number == header_line)
            elif open_field is None and len(line) <= LINE_MAX and not (quote and quote in line):
                if line and not line.isspace():
                    yield read(number, line, line.split(delimiter))
            elif len(line) > LINE_MAX:
                if open_field is not None:
                    yield from open_field.given_up()
                    open_field = None
                yield Wrong(number, line[:LINE_MAX], "line_too_long", {"limit": str(LINE_MAX)}, table.fields([]))
            elif open_field is not None:
                rows, open_field = open_field.take(number, line)
                yield from rows
            elif is_whole(line, delimiter, quote) or ending_of(line, delimiter, quote) != "open":
                yield read(number, line, split_line(line))
            else:
                open_field = _OpenField(table, number, line)
    if open_field is not None:
        yield from open_field.given_up()
    table.finish()


def _above(table: Table, line: str, notes: Notes, *, is_header: bool) -> None:
    """Read a line above the rows: the header, or a line that may state a balance."""
    mapping = table.mapping
    cells = split(line, mapping.delimiter, mapping.quote)
    if is_header:
        table.header = cells
        return
    stated = stated_in(cells, mapping.date_format, mapping.decimal, table.default_currency)
    if stated is not None:
        notes.balances.append(stated)


class _OpenField:
    """A row whose quoted field goes on in the next lines, until it is closed or given up."""

    def __init__(self, table: Table, number: int, line: str) -> None:
        self._table = table
        self.number = number
        self.lines = [line]
        self._length = len(line)

    def take(self, number: int, line: str) -> tuple[list[Row], "_OpenField | None"]:
        """Take the next line; returns the rows that are now read and the field that is open behind it."""
        mapping = self._table.mapping
        ending = ending_of(line, mapping.delimiter, mapping.quote, inside=True)
        self._length += len(line) + 1
        if ending == "open" and len(self.lines) < OPEN_LINES_MAX and self._length <= LINE_MAX:
            self.lines.append(line)
            return [], self
        if ending == "closed" and self._length <= LINE_MAX:
            raw = "\n".join([*self.lines, line])
            cells = split(raw, mapping.delimiter, mapping.quote)
            if not self._swallows_rows(cells, line):
                return [self._table.read(self.number, raw, cells)], None
            self.lines.append(line)
            return self.given_up(), None
        rows = self.given_up()
        # the mark was a stray one, so this line speaks for itself
        if ending_of(line, mapping.delimiter, mapping.quote) == "open":
            return rows, _OpenField(self._table, number, line)
        return [*rows, self._table.read(number, line, split(line, mapping.delimiter, mapping.quote))], None

    def _swallows_rows(self, cells: list[str], last: str) -> bool:
        """Tell whether the field that was closed at last holds rows of the table instead of text."""
        mapping = self._table.mapping
        if mapping.width and len(cells) != mapping.width:
            return True
        column = mapping.date or 0
        for line in [*self.lines[1:], last]:
            parts = split(line, mapping.delimiter, mapping.quote)
            if len(parts) == (mapping.width or len(cells)) and looks_like_day(parts[column]):
                return True
        return False

    def given_up(self) -> list[Row]:
        """Return the row with the open mark and every line that it swallowed, each as a wrong row of its own."""
        table, mapping = self._table, self._table.mapping
        opened = {"opened": str(self.number)}
        rows: list[Row] = []
        for offset, line in enumerate(self.lines):
            if offset and (not line or line.isspace()):
                continue
            if offset:
                fields = table.fields(split(line, mapping.delimiter, mapping.quote))
                rows.append(Wrong(self.number + offset, line, "swallowed", opened, fields))
            else:
                fields = table.fields([cell.strip(mapping.quote) for cell in line.split(mapping.delimiter)])
                rows.append(Wrong(self.number, line, "unclosed_quote", {}, fields))
        return rows


def ending_of(line: str, delimiter: str, quote: str, *, inside: bool = False) -> Ending:
    """Tell how a line leaves its last quoted field: closed, still open, or with text behind the closing mark."""
    at = 0
    while True:
        if inside:
            end = line.find(quote, at)
            if end < 0:
                return "open"
            at = end + 1
            if line.startswith(quote, at):
                at += 1
                continue
            inside = False
            if at == len(line):
                return "closed"
            if not line.startswith(delimiter, at):
                return "stray"
            at += 1
        elif line.startswith(quote, at):
            inside, at = True, at + 1
        else:
            at = line.find(delimiter, at) + 1
            if at == 0:
                return "closed"


def is_whole(line: str, delimiter: str, quote: str) -> bool:
    """Tell at a glance that every quoted field of a line is closed; False means: look closer."""
    opened = line.count(delimiter + quote) + line.startswith(quote)
    return opened * 2 == line.count(quote) and opened == line.count(quote + delimiter) + line.endswith(quote)


class _Feed:
    """Hands one line to a csv reader, so that one reader serves all lines."""

    __slots__ = ("line",)

    def __init__(self) -> None:
        self.line: str | None = None

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line, self.line = self.line, None
        if line is None:
            raise StopIteration
        return line


def splitter(delimiter: str, quote: str) -> Callable[[str], list[str]]:
    """Return a function that splits one physical line with quoted fields into cells."""
    if not quote:
        return lambda line: line.split(delimiter)
    feed = _Feed()
    reader = csv.reader(feed, delimiter=delimiter, quotechar=quote)

    def split_line(line: str) -> list[str]:
        feed.line = line
        try:
            return next(reader, [""])
        except csv.Error:
            return line.split(delimiter)

    return split_line


def split(line: str, delimiter: str, quote: str) -> list[str]:
    """Return the cells of a row; a row may hold line ends inside quoted fields."""
    if not quote or quote not in line:
        return line.split(delimiter)
    lines = [f"{part}\n" for part in line.split("\n")] if "\n" in line else [line]
    try:
        return next(csv.reader(lines, delimiter=delimiter, quotechar=quote), [""])
    except csv.Error:
        return line.split(delimiter)
