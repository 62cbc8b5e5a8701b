"""XLSX: a workbook's first fitting sheet as rows of text, after its archive was found harmless."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from xml.parsers import expat

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
_SEAM = 64
"""So many bytes of a piece are looked at again with the next one."""
_ROW = re.compile(r"[0-9]{1,9}")
_CELL = re.compile(r"([A-Za-z]{1,8})([0-9]{1,9})")
_SHEET = b"sheetData"
"""What makes a member a sheet, whatever it is called and wherever it lies."""
_FORMATS_OF_OTHERS = frozenset({"content.xml", "mimetype", "xl/workbook.bin"})
"""Members by which the library would take the archive for a format whose sheets are not measured here."""
_DTD = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def check(data: bytes) -> bytes:
    """Inflate every member, count and measure; return the archive as it was checked, so that nothing else is believed.

    Two readers may disagree about an archive that was made to deceive: what is read is written anew. Raises Unreadable.
    """
    checked = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(checked, "w") as written:
            names = [info.filename for info in archive.infolist()]
            if len(names) > MEMBERS_MAX:
                raise _too_big()
            if "[Content_Types].xml" not in names or "xl/workbook.xml" not in names:
                raise Unreadable("archive")
            if len(names) != len(set(names)) or not _FORMATS_OF_OTHERS.isdisjoint(map(str.lower, names)):
                raise Unreadable("damaged")
            total = 0
            for info in archive.infolist():
                _check_name(info)
                content = _inflated(archive, info, total)
                total += len(content)
                if _SHEET in content:
                    _measure(content)
                written.writestr(info.filename, content)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError, RuntimeError):
        raise Unreadable("damaged") from None
    return checked.getvalue()


def _too_big() -> Unreadable:
    return Unreadable("too_big_unpacked", {"limit": str(UNPACKED_MAX // 1024 // 1024)})


def _check_name(info: zipfile.ZipInfo) -> None:
    """Refuse paths that leave the archive, links and encrypted members."""
    if info.flag_bits & 0x1:
        raise Unreadable("encrypted")
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if is_link or info.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", info.filename):
        raise Unreadable("damaged")


def _inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo, total: int) -> bytes:
    """Inflate one member in pieces; `total` bytes were inflated before it. Raises Unreadable at the first limit."""
    content = bytearray()
    with archive.open(info) as member:
        while piece := member.read(_CHUNK):
            content += piece
            size = len(content)
            if total + size > UNPACKED_MAX or (size > _SMALL and size > RATIO_MAX * max(1, info.compress_size)):
                raise _too_big()
            if _DTD.search(content, max(0, size - len(piece) - _SEAM)):
                raise Unreadable("dtd")
    return bytes(content)


class _Bounds:
    """Follows a sheet's rows and cells as the library places them: where they say, else behind the one before."""

    def __init__(self) -> None:
        self._row, self._column = 1, 1
        self._last_row, self._last_column = 1, 1

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an opening tag. Raises Unreadable when the sheet would be laid out too large."""
        local = name.rpartition(":")[2]
        if local == "row":
            place = _ROW.fullmatch(attributes.get("r", ""))
            self._row = int(place[0]) if place else self._row
        elif local == "c":
            place = _CELL.fullmatch(attributes.get("r", ""))
            row = int(place[2]) if place else self._row
            self._column = _column(place[1]) if place else self._column
            if row > self._last_row or self._column > self._last_column:
                self._last_row = max(self._last_row, row)
                self._last_column = max(self._last_column, self._column)
                if self._last_row * self._last_column > CELLS_MAX:
                    raise Unreadable("too_wide", {"limit": str(CELLS_MAX)})
            self._column += 1

    def end(self, name: str) -> None:
        """Take a closing tag."""
        if name.rpartition(":")[2] == "row":
            self._row, self._column = self._row + 1, 1


def _measure(sheet: bytes) -> None:
    """Find how large a sheet is laid out before anything lays it out. Raises Unreadable."""
    bounds, parser = _Bounds(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = bounds.start, bounds.end
    parser.StartDoctypeDeclHandler = _refuse_dtd
    try:
        parser.Parse(sheet, True)
    except expat.ExpatError:
        raise Unreadable("damaged") from None


def _refuse_dtd(*_said: object) -> None:
    raise Unreadable("dtd")


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def _opened(data: bytes) -> python_calamine.CalamineWorkbook:
    """Open a workbook that was checked. Raises Unreadable."""
    checked = check(data)
    try:
        return python_calamine.load_workbook(io.BytesIO(checked))
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
