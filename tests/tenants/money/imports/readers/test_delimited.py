"""CSV: every physical line is accounted for, whatever the quotation marks do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenants.money.imports.readers.lines import Ignored, Line, Notes, StatementError, Wrong
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.rows import Table
from tests.tenants.money.imports.readers.conftest import read_all

HEAD = "Date,Amount,Description\n"


def kinds(result):
    return [(row.line, "line" if isinstance(row, Line) else row.code) for row in result.rows]


def test_a_field_may_go_on_in_the_next_lines(reads):
    result = reads(HEAD + '2024-01-01,1.00,"one\ntwo\nthree"\n2024-01-02,2.00,x\n')

    assert kinds(result) == [(2, "line"), (5, "line")]
    assert result.lines[0].text == "one two three"
    assert result.lines[0].raw == '2024-01-01,1.00,"one\ntwo\nthree"'


def test_an_open_quote_before_a_row_with_quotes_does_not_hide_that_row(reads):
    result = reads(HEAD + '2024-01-01,1.00,"open\n2024-01-02,2.00,lost\n2024-01-03,3.00,"good"\n2024-01-04,4.00,x\n')

    assert kinds(result) == [(2, "unclosed_quote"), (3, "swallowed"), (4, "line"), (5, "line")]


def test_an_open_quote_swallows_a_bounded_number_of_rows(reads):
    rows = "".join(f"2024-01-01,1.00,n{i}\n" for i in range(500))
    result = reads(HEAD + '2024-01-01,1.00,"open\n' + rows)

    assert len(result.rows) == 501
    assert len(result.lines) == 500 - 199


def test_a_closed_quote_that_spans_rows_is_an_open_one(reads):
    result = reads(HEAD + '2024-01-01,1.00,"open\n2024-01-02,2.00,row\n2024-01-03,3.00,end"\n')

    assert len(result.rows) == 3
    assert result.lines == []


def test_quotes_in_the_middle_of_a_field_are_text(reads):
    result = reads(HEAD + '2024-01-01,1.00,a 5" pipe\n2024-01-02,2.00,"Robert ""Bob"" Smith"\n')

    assert [line.text for line in result.lines] == ['a 5" pipe', 'Robert "Bob" Smith']


def test_an_unquoted_delimiter_is_never_read_as_another_amount(reads):
    result = reads(HEAD + "2024-01-01,10.00,good\n2024-01-02,1,234.56,bad\n")

    assert kinds(result) == [(2, "line"), (3, "extra_column")]


def test_the_header_in_the_middle_and_empty_rows_are_not_booked(reads):
    result = reads("Date;Amount;Description\n2024-01-01;1.00;a\n;;\n\nDate;Amount;Description\n2024-01-02;2.00;b\n")

    assert kinds(result) == [(2, "line"), (3, "empty"), (5, "repeated_header"), (6, "line")]


def test_a_line_that_is_too_long_is_cut_and_told(reads):
    result = reads(HEAD + "2024-01-01,1.00,a\n2024-01-02,1.00," + "x" * 200_000 + "\n2024-01-03,1.00,b\n")

    assert kinds(result) == [(2, "line"), (3, "line_too_long"), (4, "line")]


def test_a_row_is_ended_by_any_line_end(reads):
    for end in ("\n", "\r\n", "\r"):
        assert len(reads((HEAD + "2024-01-01,1.00,a\n2024-01-02,1.00,b\n").replace("\n", end)).lines) == 2


def test_debits_may_be_written_with_or_without_a_sign(reads):
    head = "Date;Libellé;Débit;Crédit\n"
    plain = reads(head + "01/02/2024;a;10,00;\n13/02/2024;b;;5,00\n")
    signed = reads(head + "01/02/2024;a;-10,00;\n13/02/2024;b;;5,00\n")

    assert [line.minor for line in plain.lines] == [line.minor for line in signed.lines] == [-1000, 500]


def test_flip_and_multiplier_change_the_amount_exactly(reads):
    data = HEAD + "2024-01-01,1050,a\n"
    mapping = Mapping(date=0, amount=1, text=(2,), width=3, flip_sign=True, multiplier="0.01")

    assert [line.minor for line in reads(data, mapping=mapping).lines] == [-1050]


def test_the_direction_of_a_sign_column_must_be_known():
    mapping = Mapping(date=0, amount=1, sign=2, text=(3,), width=4)
    table = Table(mapping, "EUR", Notes())

    assert table.read(1, "", ["2024-01-01", "5.00", "D", "x"]).minor == -500
    assert table.read(1, "", ["2024-01-01", "5.00", "Haben", "x"]).minor == 500
    wrong = table.read(1, "", ["2024-01-01", "5.00", "?", "x"])
    assert (wrong.code, wrong.params) == ("bad_sign", {"value": "?"})


def test_an_unknown_state_is_a_question(reads):
    head = "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
    row = "TOPUP,Current,2024-07-01 08:00:00,2024-07-01 08:00:05,x,200.00,0.00,EUR,{},200.00\n"
    result = reads(head + row.format("COMPLETED") + row.format("MYSTERY") + row.format("DECLINED"))

    assert kinds(result) == [(2, "line"), (3, "unknown_status"), (4, "reverted")]


cells = st.text(st.sampled_from('ab12.-,";\n "'), max_size=12)
csv_text = st.lists(st.lists(cells, min_size=1, max_size=5).map(",".join), max_size=12).map("\n".join)


@given(csv_text, st.integers(1, 40))
@settings(max_examples=300, deadline=None)
def test_no_physical_line_is_ever_lost(body, chunk):
    mapping = Mapping(date=0, amount=1, text=(2,), width=3)
    text = HEAD + "2024-01-01,1.00,x\n" + body
    result = read_all(text, mapping=mapping, chunk=chunk)

    expected = {number for number, line in enumerate(text.split("\n"), 1) if number > 1 and line.strip()}
    covered: set[int] = set()
    for row in result.rows:
        here = set(range(row.line, row.line + row.raw.count("\n") + 1))
        assert not here & covered
        covered |= here
    assert expected <= covered
    source = text.split("\n")
    for row in result.rows:
        assert row.raw == "\n".join(source[row.line - 1 : row.line + row.raw.count("\n")])


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_bytes_break_the_reader(data):
    try:
        result = read_all(HEAD.encode() + b"2024-01-01,1.00,x\n" + data)
    except StatementError:
        return
    assert all(isinstance(row, Line | Wrong | Ignored) for row in result.rows)
    assert "\0" not in "".join(row.raw for row in result.rows)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252", "iso-8859-15"])
def test_a_file_in_any_encoding_reads_the_same(encoding, reads):
    text = "Datum;Betrag;Währung;Beschreibung\n31.01.2024;-842,11;EUR;Müller Größe\n"

    assert [line.text for line in reads(text.encode(encoding)).lines] == ["Müller Größe"]
