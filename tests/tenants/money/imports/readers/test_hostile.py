"""Whatever is uploaded, the readers answer with rows or with one clear refusal."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.money.imports.readers.lines import Ignored, Line, StatementError, Wrong
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.read import read
from tenants.money.imports.readers.recognise import Recognition, recognise
from tests.tenants.money.imports.readers.conftest import SAMPLES, read_all

FILES = sorted(path for path in (*SAMPLES.rglob("*.*"), *(SAMPLES.parent / "more").glob("*.*")) if path.suffix != ".md")
NAMES = [path.name for path in FILES]


def read_or_refuse(data: bytes) -> list[Line | Wrong | Ignored]:
    try:
        result = read_all(data, chunk=500)
    except StatementError:
        return []
    for row in result.rows:
        assert "\0" not in row.raw
        assert not isinstance(row, Line) or (type(row.minor) is int and row.minor)
    return result.rows


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_file_cut_off_anywhere_never_breaks_the_reader(path):
    data = path.read_bytes()
    for cut in range(1, len(data), 50):
        read_or_refuse(data[:cut])


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_damaged_bytes_never_break_the_reader(path):
    data = bytearray(path.read_bytes())
    chance = random.Random(7)  # noqa: S311 - a fixed seed, nothing secret
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 12)):
            damaged[chance.randrange(len(damaged))] = chance.choice(b'\0\xff\x80<>&"\n;,:^-!9') & 0xFF
        read_or_refuse(bytes(damaged))


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.suffix in {".xml", ".sta", ".qif", ".ofx"}], ids=lambda p: p.name
)
def test_a_file_cut_off_books_nothing_that_the_whole_file_does_not(path):
    data = path.read_bytes()
    try:
        whole = {(line.day, line.minor) for line in read_or_refuse(data) if isinstance(line, Line)}
    except StatementError:
        return
    for cut in range(1, len(data), 50):
        for row in read_or_refuse(data[:cut]):
            assert not isinstance(row, Line) or (row.day, row.minor) in whole


@given(st.binary(max_size=2_000))
@settings(max_examples=300, deadline=None)
def test_no_bytes_break_the_recognition(data):
    read_or_refuse(data)


KINDS = [
    Recognition("ofx", "ofx.1", "utf-8"),
    Recognition("qif", "qif", "utf-8"),
    Recognition("mt940", "mt940", "utf-8"),
    Recognition("camt", "camt.053", "utf-8"),
    Recognition("csv", "generic", "utf-8"),
]
PIECES = [
    "<STMTTRN>",
    "</STMTTRN>",
    "<OFX>",
    "</OFX>",
    "<TRNAMT>",
    "<DTPOSTED>",
    "20240101",
    "-1.00",
    "<",
    ">",
    "&#0;",
    "&amp;",
    "<![CDATA[",
    "]]>",
    "!Type:Bank\n",
    "D1/1/24\n",
    "T5\n",
    "^\n",
    ":61:",
    ":86:",
    ":20:",
    ":60F:C240101EUR1,\n",
    "2401010101C1,00NMSC",
    "\n",
    "-\n",
    "?20x",
    "000?32",
    "/NAME/",
    "/REMI/",
    "<Ntry>",
    "</Ntry>",
    "<Stmt>",
    "<Amt Ccy='EUR'>",
    "</Amt>",
    "é",
    '"',
    ",",
]


@given(st.sampled_from(KINDS), st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40), st.integers(1, 60))
@settings(max_examples=500, deadline=None)
def test_every_reader_survives_a_jumble_of_its_own_pieces(kind, pieces, size):
    data = "".join(pieces).encode("utf-8", "replace")
    chunks = [data[i : i + size] for i in range(0, len(data), size)]
    mapping = Mapping(date=0, amount=1, text=(2,), width=3)
    try:
        for row in read(chunks, kind, mapping=mapping, default_currency="EUR", max_rows=1_000):
            assert isinstance(row, Line | Wrong | Ignored)
    except StatementError:
        pass


def test_zero_bytes_never_reach_a_row():
    data = b"Date,Amount,Text\n2024-01-01,1.00,a\n" + b"2024-01-02,1.00,x\n" * 3_000 + b"2024-01-01,1.00,b\0c\n"
    rows = read_or_refuse(data)

    assert len(rows) == 3_002
    assert rows[-1].text == "b\u2400c"


def test_a_file_without_a_single_line_end_is_read_in_bounded_memory():
    found = recognise(b"Date,Amount,Text\n2024-01-01,1.00,a\n", size=10**8)
    chunks = (b"Date,Amount,Text\n2024-01-01,1.00,a\n" if i == 0 else b"x" * 65_536 for i in range(300))
    rows = list(read(chunks, found, mapping=None, default_currency="EUR", max_rows=10))

    assert [type(row) for row in rows] == [Line, Wrong]
    assert len(rows[1].raw) == 65_536
