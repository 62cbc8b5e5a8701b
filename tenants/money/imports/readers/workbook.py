"""XLSX: a workbook's first fitting sheet as rows of text, after its archive was found harmless."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice

import python_calamine

from tenants.money.imports.readers.balances import stated_in
from tenants.money.imports.readers.lines import Notes, Row, Unreadable
from tenants.money.imports.readers.mapping import COLUMNS_MAX, Mapping
from tenants.money.imports.readers.rows import Table

MEMBERS_MAX = 1_000
RATIO_MAX = 100
UNPACKED_MAX = 50 * 1024 * 1024
CELLS_MAX = 5_000_000
"""A sheet is laid out in full in memory: its last row times its last column has a limit."""
_SMALL = 1024 * 1024
_CHUNK = 256 * 1024
_ROW_NUMBER = re.compile(rb"""<(?:\w+:)?row\b[^>]{0,300}?\br=["'](\d{1,9})["']""")
_CELL_COLUMN = re.compile(rb"""\br=["']([A-Z]{1,4})\d{1,9}["']""")
_DTD = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def check(data: bytes) -> None:
    """Inflate every member and count, so that nothing in the archive is believed. Raises Unreadable."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist()]
            if len(names) > MEMBERS_MAX:
                raise _too_big()
            if "[Content_Types].xml" not in names or not any(name.startswith("xl/workbook") for name in names):
                raise Unreadable("archive")
            total = 0
            for info in archive.infolist():
                _check_name(info)
                total = _inflate(archive, info, total)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, RuntimeError):
        raise Unreadable("damaged") from None


def _too_big() -> Unreadable:
    return Unreadable("too_big_unpacked", {"limit": str(UNPACKED_MAX // 1024 // 1024)})


def _check_name(info: zipfile.ZipInfo) -> None:
    """Refuse paths that leave the archive, links and encrypted members."""
    if info.flag_bits & 0x1:
        raise Unreadable("encrypted")
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if is_link or info.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", info.filename):
        raise Unreadable("damaged")


def _inflate(archive: zipfile.ZipFile, info: zipfile.ZipInfo, total: int) -> int:
    """Inflate one member in pieces; returns the total so far. Raises Unreadable at the first limit."""
    size, last_row, last_column, tail = 0, 0, 1, b""
    with archive.open(info) as member:
        while piece := member.read(_CHUNK):
            size += len(piece)
            if total + size > UNPACKED_MAX or (size > _SMALL and size > RATIO_MAX * max(1, info.compress_size)):
                raise _too_big()
            text = tail + piece
            if _DTD.search(text):
                raise Unreadable("dtd")
            if "sheet" in info.filename.lower():
                last_row = max([last_row, *map(int, _ROW_NUMBER.findall(text))])
                last_column = max([last_column, *map(_column, set(_CELL_COLUMN.findall(text)))])
                if last_row * last_column > CELLS_MAX:
                    raise Unreadable("too_wide", {"limit": str(CELLS_MAX)})
            tail = text[-400:]
    return total + size


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _opened(data: bytes) -> python_calamine.CalamineWorkbook:
    """Open a workbook that was checked. Raises Unreadable."""
    check(data)
    try:
        return python_calamine.load_workbook(io.BytesIO(data))
    except python_calamine.PasswordError:
        raise Unreadable("encrypted") from None
    except (python_calamine.CalamineError, ValueError, OSError):
        raise Unreadable("damaged") from None


def _rows(book: python_calamine.CalamineWorkbook, name: str, decimal: str) -> Iterator[list[str]]:
    """Yield the rows of a sheet as texts, from its first row on even if that is empty."""
    try:
        sheet = book.get_sheet_by_name(name)
        start = sheet.start
        for _ in range(start[0] if start else 0):
            yield []
        indent = [""] * (start[1] if start else 0)
        for row in sheet.iter_rows():
            yield [*indent, *(cell_text(value, decimal) for value in row[:COLUMNS_MAX])]
    except (python_calamine.CalamineError, ValueError, OSError):
        raise Unreadable("damaged") from None


def sheets(data: bytes, *, rows_max: int) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield every sheet's name and first rows. Raises Unreadable."""
    book = _opened(data)
    for name in book.sheet_names[:50]:
        yield name, list(islice(_rows(book, name, "."), rows_max))


def read_workbook(chunks: Iterable[bytes], mapping: Mapping, default_currency: str, notes: Notes) -> Iterator[Row]:
    """Yield what every row of a sheet says. Raises Unreadable."""
    book = _opened(b"".join(chunks))
    name = mapping.sheet if mapping.sheet in book.sheet_names else book.sheet_names[0]
    table = Table(mapping, default_currency, notes)
    width = mapping.width
    for number, cells in enumerate(_rows(book, name, mapping.decimal), 1):
        if number < mapping.header_line:
            stated = stated_in(cells, mapping.date_format, mapping.decimal, default_currency)
            if stated is not None:
                notes.balances.append(stated)
        elif number == mapping.header_line:
            table.header = cells[:width]
        elif any(cells):
            raw = "\t".join(cells).rstrip("\t")
            padded = [*cells, *[""] * (width - len(cells))]
            yield table.read(number, raw, padded)
    table.finish()


def cell_text(value: object, decimal: str) -> str:
    """Write a cell as text: dates year first, numbers with the mapping's decimal sign and the 15 digits of a sheet."""
    if isinstance(value, str):
        return value.replace("\0", "\u2400")
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value).replace(".", decimal)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else ""


def _number(value: float) -> str:
    """Write a stored number with 15 significant digits, which is all that a sheet keeps: 0.30000000000000004 is 0.3."""
    text = format(value, ".15g")
    if "e" in text:
        text = format(value, ".6f") if abs(value) < 1e-4 else format(value, ".0f")
    return text.rstrip("0").rstrip(".") if "." in text else text
