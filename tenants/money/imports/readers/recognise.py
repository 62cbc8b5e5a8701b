"""Tell what kind of statement a file is, by what it holds and never by its name."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tenants.money.imports.readers import qif, tables, workbook
from tenants.money.imports.readers.decoding import decode, detect
from tenants.money.imports.readers.lines import Unreadable
from tenants.money.imports.readers.mapping import Mapping

Kind = Literal["csv", "ofx", "qif", "mt940", "camt", "xlsx"]

HEAD_BYTES = 256 * 1024
"""How much of a file its recognition needs. A workbook is needed whole."""
_SAMPLE_LINES = 1_000

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "pdf"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"BM\x00", "image"),
    (b"II*\x00", "image"),
    (b"MM\x00*", "image"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old_excel"),
    (b"\x1f\x8b", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!\x1a\x07", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"\x7fELF", "binary"),
    (b"MZ\x90", "binary"),
    (b"{\\rtf", "binary"),
    (b"SQLite format 3\x00", "binary"),
)
_CAMT = re.compile(r"camt\.05[234]\.\d{3}\.\d{2}")
_CAMT_ROOT = re.compile(r"<(?:\w+:)?(BkToCstmrStmt|BkToCstmrAcctRpt|BkToCstmrDbtCdtNtfctn)[\s>/]")
_CAMT_BY_ROOT = {"BkToCstmrStmt": "053", "BkToCstmrAcctRpt": "052", "BkToCstmrDbtCdtNtfctn": "054"}
_OFX = re.compile(r"OFXHEADER\s*[:=]|<\?OFX|<OFX[\s>]", re.IGNORECASE)
_OFX_2 = re.compile(r"""<\?OFX|OFXHEADER\s*=\s*["']?2""", re.IGNORECASE)
_QIF = re.compile(r"^!(?:Type|Account|Option|Clear)\b", re.IGNORECASE | re.MULTILINE)
_MT940_TAG = re.compile(r"^(?:\{\d:.*)?:(20|25|28C?|60[FM]|61|62[FM]|34F|13D?):", re.MULTILINE)
_DTD = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)\b", re.IGNORECASE)
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|script|div|table)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a file is. `format` is a code with its version; `mapping` is None for tables that a person must map.

    For QIF the mapping holds only how dates and amounts are written. Other kinds have none. `layout` is where a table
    was found (encoding, delimiter, header line, sheet), without roles: a mapping that is remembered for this header is
    used as `remembered.on(layout)`, and one made by hand starts from it.
    """

    kind: Kind
    format: str
    encoding: str
    mapping: Mapping | None = None
    header: tuple[str, ...] = ()
    header_fingerprint: str = ""
    layout: Mapping | None = None

    @property
    def needs_mapping(self) -> bool:
        """Tell whether a person has to say what the columns mean before rows can be read."""
        return self.kind in {"csv", "xlsx"} and (self.mapping is None or not self.mapping.is_complete())


def recognise(
    head: bytes,
    *,
    size: int,
    encoding: str | None = None,
    whole: Callable[[], bytes] | None = None,
) -> Recognition:
    """Recognise a file by its first bytes (HEAD_BYTES, or all of it if it is smaller) and its size in bytes.

    `encoding` overrides the one that is found. `whole` is called for the whole file if it is a workbook and `head` is
    not all of it. Raises Unreadable.
    """
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise Unreadable("empty_file")
    for magic, code in _MAGIC:
        if head.startswith(magic):
            raise Unreadable(code)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _workbook(head if len(head) >= size or whole is None else whole())
    found = encoding or detect(head, whole=len(head) >= size)
    text = decode(head, found).lstrip("\ufeff")
    if _is_binary(text):
        raise Unreadable("binary")
    return _text(text, found, complete=len(head) >= size)


def _is_binary(text: str) -> bool:
    """Tell whether a text has more control characters than any statement has."""
    start = text[:20_000]
    strange = sum(1 for c in start if c == "\u2400" or (c < " " and c not in "\t\n\r\x0b\x0c\x1a\x01\x02\x03\x04"))
    return strange > 2 + len(start) // 2_000


def _text(text: str, encoding: str, *, complete: bool) -> Recognition:
    """Recognise decoded text."""
    start = text.lstrip()
    if _OFX.search(start[:4_000]):
        _refuse_dtd(text)
        return Recognition("ofx", "ofx.2" if _OFX_2.search(start[:4_000]) else "ofx.1", encoding)
    if start.startswith("<"):
        return _markup(text, start, encoding)
    if len({m[1] for m in _MT940_TAG.finditer(text[:20_000])}) >= 2:
        interim = re.search(r"^:34F:", text, re.MULTILINE) and not re.search(r"^:6[02][FM]:", text, re.MULTILINE)
        return Recognition("mt940", "mt942" if interim else "mt940", encoding)
    if _QIF.search(text[:4_000]):
        return Recognition("qif", "qif", encoding, replace(qif.propose_form(text), encoding=encoding))
    if start[:1] in {"{", "["} and re.match(r"[\[{]\s*[\"{\[\]}]", start):
        raise Unreadable("json")
    return _table(text, encoding, complete=complete)


def _markup(text: str, start: str, encoding: str) -> Recognition:
    """Recognise XML, and refuse what only looks like it."""
    if _HTML.search(start[:2_000]) and not start.startswith("<?xml"):
        raise Unreadable("web_page")
    _refuse_dtd(text)
    named = _CAMT.search(text[:20_000])
    root = _CAMT_ROOT.search(text[:20_000])
    if root:
        version = named[0] if named else f"camt.{_CAMT_BY_ROOT[root[1]]}"
        return Recognition("camt", version, encoding)
    if named:
        return Recognition("camt", named[0], encoding)
    raise Unreadable("web_page" if _HTML.search(start[:2_000]) else "unknown_xml")


def _refuse_dtd(text: str) -> None:
    if _DTD.search(text):
        raise Unreadable("dtd")


def _table(text: str, encoding: str, *, complete: bool) -> Recognition:
    """Recognise delimited text. Raises Unreadable if there are no columns."""
    lines = text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES]
    if not complete and len(lines) > 1 and len(lines) < _SAMPLE_LINES:
        lines.pop()  # the last line is cut off
    found = tables.in_lines([line[:20_000] for line in lines])
    if found is None:
        raise Unreadable("unknown_text")
    return _as_table("csv", found, replace(found.layout(), encoding=encoding))


def parted(head: bytes, encoding: str, delimiter: str) -> Mapping | None:
    """Return how a text is read if a person says what stands between its columns; None if that parts nothing."""
    lines = decode(head, encoding).lstrip("\ufeff").split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES]
    found = tables.in_lines([line[:20_000] for line in lines], delimiter)
    if found is None:
        return None
    layout = replace(found.layout(), encoding=encoding)
    return layout if found.mapping is None else found.mapping.on(layout)


def _workbook(data: bytes) -> Recognition:
    """Recognise the first sheet of a workbook that holds a table."""
    best: tuple[tables.Found, str] | None = None
    for sheet, rows in workbook.sheets(data, rows_max=_SAMPLE_LINES):
        found = tables.in_rows(rows)
        if found and (best is None or (best[0].mapping is None and found.mapping is not None)):
            best = (found, sheet)
    if best is None:
        raise Unreadable("unknown_text")
    found, sheet = best
    return _as_table("xlsx", found, replace(found.layout(), sheet=sheet))


def _as_table(kind: Kind, found: tables.Found, layout: Mapping) -> Recognition:
    mapping = None if found.mapping is None else found.mapping.on(layout)
    fingerprint = tables.fingerprint(found.header, layout.width)
    return Recognition(kind, found.format, layout.encoding, mapping, found.header, fingerprint, layout)


def relaid(head: bytes, recognition: Recognition, layout: Mapping) -> Recognition:
    """Recognise a table again where a person says that it is: encoding, delimiter, header line (0: none), sheet.

    For a workbook, `head` is the whole file. Raises Unreadable.
    """
    if recognition.kind == "xlsx":
        names = dict(workbook.sheets(head, rows_max=_SAMPLE_LINES))
        sheet = layout.sheet if layout.sheet in names else next(iter(names))
        found = tables.at_row(names[sheet], layout.header_line)
        return _as_table("xlsx", found, replace(found.layout(), sheet=sheet))
    lines = decode(head, layout.encoding).lstrip("\ufeff").split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES]
    found = tables.at_line([line[:20_000] for line in lines], layout.delimiter, layout.header_line)
    return _as_table("csv", found, replace(found.layout(), encoding=layout.encoding))
