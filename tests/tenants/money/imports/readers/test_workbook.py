"""XLSX: real dates and numbers without damage, and archives that are no workbook."""

import io
import struct
import zipfile
from datetime import date, datetime

import pytest
import xlsxwriter

from tenants.money.imports.readers import workbook
from tenants.money.imports.readers.lines import Unreadable
from tenants.money.imports.readers.mapping import Mapping

NOON = datetime(2024, 2, 1, 12)  # noqa: DTZ001 - a sheet knows no time zone


def built(rows: list[list[object]], *, above: int = 0, sheets: tuple[str, ...] = ("Sheet1",), column: int = 0) -> bytes:
    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "default_date_format": "dd/mm/yyyy"})
    for name in sheets:
        sheet = book.add_worksheet(name)
    for number, row in enumerate(rows, above):
        for offset, value in enumerate(row, column):
            sheet.write(number, offset, value)
    book.close()
    return buffer.getvalue()


def test_real_dates_and_numbers_are_read_exactly(reads):
    data = built(
        [
            ["Date", "Value date", "Description", "Amount", "Currency"],
            [date(2024, 1, 31), NOON, "Bäckerei", -12.5, "EUR"],
            [date(2024, 2, 1), None, "sum", 0.1 + 0.2, "EUR"],
            [date(2024, 2, 2), None, "big", 123456789.01, "EUR"],
            [date(2024, 2, 2), None, "whole", 8731, "JPY"],
        ]
    )
    result = reads(data)

    assert result.recognition.kind == "xlsx"
    assert [(line.line, line.minor, line.currency) for line in result.lines] == [
        (2, -1250, "EUR"),
        (3, 30, "EUR"),
        (4, 12345678901, "EUR"),
        (5, 8731, "JPY"),
    ]
    assert result.lines[0].day == date(2024, 1, 31)
    assert result.lines[0].value_day == date(2024, 2, 1)


def test_texts_in_cells_and_lines_above_the_header_work_too(reads):
    data = built(
        [
            ["Compte 123"],
            ["Solde au 31/01/2024", "1 000,00", "EUR"],
            ["Date", "Libellé", "Débit", "Crédit"],
            ["31/01/2024", "a", "10,50", ""],
            ["30/01/2024", "b", "", 7.25],
            ["", "TOTAL", "10,50", "7,25"],
        ],
        above=2,
        column=1,
        sheets=("Empty", "Compte"),
    )
    result = reads(data)

    assert [line.minor for line in result.lines] == [-1050, 725]
    assert [row.code for row in result.ignored] == ["total"]
    assert [(b.minor, b.day) for b in result.balances] == [(100000, date(2024, 1, 31))]


def test_a_bank_format_is_known_in_a_workbook_too(reads):
    data = built([["Darlehen", "Datum", "Betrag", "Beschreibung"], ["KfW", "31.01.2024", "-155,00", "Rate"]])

    result = reads(data)
    assert result.recognition.format == "loan.v1"
    assert result.labels == {("KfW", "EUR"): 1}


def test_cells_that_cannot_be_read_are_wrong_rows(reads):
    data = built(
        [
            ["Date", "Amount", "Description"],
            [date(2024, 1, 1), 1.005, "a"],
            ["30.02.2024", 1, "b"],
            [True, 2, "c"],
            [date(2024, 1, 2), 1, "d"],
        ]
    )

    assert [(row.line, row.code) for row in reads(data).wrong] == [
        (2, "too_precise"),
        (3, "no_such_day"),
        (4, "bad_date"),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0,1"), (1e15, "1000000000000000"), (1.0, "1"), (-0.07, "-0,07"), (1e-7, "0"), (100.0, "100"), (7, "7")],
)
def test_a_number_is_written_as_the_sheet_shows_it(value, text):
    assert workbook.cell_text(value, ",") == text


def refused(data: bytes, reads) -> str:
    with pytest.raises(Unreadable) as caught:
        reads(data)
    return caught.value.code


def packed(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_member_that_inflates_a_hundredfold_is_refused(reads):
    assert refused(packed({"xl/worksheets/sheet1.xml": b"0" * 3_000_000}), reads) == "too_big_unpacked"


def test_many_members_are_refused(reads):
    assert refused(packed({f"xl/{i}": b"" for i in range(1_001)}), reads) == "too_big_unpacked"


def test_a_size_that_the_archive_lies_about_is_not_believed(reads):
    data = packed({"xl/worksheets/sheet1.xml": b"0" * 3_000_000})
    lying = data.replace(struct.pack("<I", 3_000_000), struct.pack("<I", 10))

    assert refused(lying, reads) == "damaged"


@pytest.mark.parametrize("name", ["../evil", "/evil", "xl\\..\\..\\evil"])
def test_a_path_out_of_the_archive_is_refused(name, reads):
    assert refused(packed({name: b"x"}), reads) == "damaged"


def test_entities_in_a_member_are_refused(reads):
    assert refused(packed({"xl/sharedStrings.xml": b'<!DOCTYPE a [<!ENTITY b "c">]>'}), reads) == "dtd"


@pytest.mark.parametrize("cell", ["XFD1048576", "ZZ900000"])
def test_a_sheet_that_would_fill_the_memory_is_refused(cell, reads):
    row = cell.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    sheet = f'<worksheet><sheetData><row r="{row}"><c r="{cell}"><v>1</v></c></row></sheetData></worksheet>'

    assert refused(packed({"xl/worksheets/sheet1.xml": sheet.encode()}), reads) == "too_wide"


FAR = '<c r="XFD1048576"><v>1</v></c>'


@pytest.mark.parametrize(
    ("rows", "member"),
    [
        (f"<row>{FAR}</row>", "worksheets/sheet1.xml"),
        (f'<row r="1048576">{FAR}</row>', "data.bin"),
        (f"<row>{FAR.replace('r=', 'r = ')}</row>", "worksheets/sheet1.xml"),
        (f"<x:row>{FAR.replace('<c', '<x:c').replace('</c', '</x:c')}</x:row>", "worksheets/sheet1.xml"),
        ("<row>" + "<c><v>1</v></c>" * 3_000 + "</row>" + "<row><c/></row>" * 3_000, "worksheets/sheet1.xml"),
        ("<row>" + "<c/>" * 3_000 + '</row><row r="9000"><c/></row>', "worksheets/sheet1.xml"),
    ],
)
def test_a_sheet_is_measured_wherever_it_lies_and_however_it_counts(rows, member):
    head = '<worksheet xmlns:x="urn:x"><sheetData>'
    sheet = f"{head}{rows}</sheetData></worksheet>".encode()

    with pytest.raises(Unreadable, match="cells"):
        workbook.check(packed({f"xl/{member}": sheet}))


@pytest.mark.parametrize("name", ["xl/workbook.bin", "content.xml", "mimetype"])
def test_an_archive_that_could_be_another_format_is_refused(name, reads):
    assert refused(packed({name: b"x"}), reads) == "damaged"


def test_two_members_of_one_name_are_refused(reads):
    with pytest.warns(UserWarning, match="Duplicate"):
        data = packed({"xl/workbook.xml": b"<workbook/>"})

    assert refused(data, reads) == "damaged"


def test_only_what_was_checked_is_read():
    data = built([["Date", "Amount"], ["2024-01-01", "1"]])
    checked = workbook.check(b"not of the archive" + data)

    with zipfile.ZipFile(io.BytesIO(checked)) as archive:
        assert archive.namelist() == zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert not checked.startswith(b"not")


def test_a_broken_workbook_is_damaged_and_nothing_else(reads):
    data = built([["Date", "Amount"], ["2024-01-01", "1"]])
    for cut in range(10, len(data), 200):
        assert refused(data[:cut], reads) in {"damaged", "archive"}


def test_a_mapping_chooses_the_sheet(reads):
    data = built([["Date", "Amount", "Text"], ["2024-01-01", "1", "x"]], sheets=("First", "Second"))
    mapping = Mapping(date=0, amount=1, text=(2,), width=3, sheet="Second")

    assert len(reads(data, mapping=mapping).lines) == 1
