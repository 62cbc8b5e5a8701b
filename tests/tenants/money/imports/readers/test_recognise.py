"""A file is recognised by what it holds."""

import io
import zipfile
from dataclasses import replace

import pytest

from tenants.money.imports.readers.lines import REASONS, StatementError, TooManyRows, Unreadable
from tenants.money.imports.readers.read import read
from tenants.money.imports.readers.read import sample as preview
from tenants.money.imports.readers.recognise import recognise, relaid


def refused(data: bytes) -> str:
    with pytest.raises(Unreadable) as caught:
        recognise(data, size=len(data))
    assert str(caught.value)
    return caught.value.code


def zipped(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\xef\xbb\xbf\r\n \r\n", "empty_file"),
        (b"%PDF-1.7\n...", "pdf"),
        (b"\x89PNG\r\n\x1a\n", "image"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "old_excel"),
        (b"\x1f\x8b\x08\x00abc", "archive"),
        (zipped(a="Date,Amount\n"), "archive"),
        (b"PK\x03\x04" + b"x" * 100, "damaged"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web_page"),
        (b'{"transactions": []}', "json"),
        (b"<?xml version='1.0'?><rss><a/></rss>", "unknown_xml"),
        (b"just a letter\nwith two lines\n", "unknown_text"),
        (bytes(range(256)) * 20, "binary"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><Document>camt.053.001.02</Document>', "dtd"),
        (b"OFXHEADER:100\n<!DOCTYPE OFX SYSTEM 'x'><OFX></OFX>", "dtd"),
    ],
)
def test_what_is_no_statement_is_refused_with_its_reason(data, code):
    assert refused(data) == code


def test_every_reason_can_be_filled_in():
    for code, message in REASONS.items():
        params = dict.fromkeys(
            ("value", "form", "currency", "places", "found", "expected", "opened", "limit", "at"), "x"
        )
        assert message % {**params, "detail": "x"}, code


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (
            "Buchung;Valuta;Sender / Empfänger;IBAN;BIC;Buchungstext;Verwendungszweck;Kategorie;Betrag;Währung",
            "consors.v1",
        ),
        ("Datum,Transaktions-Nr.:,Einzelheiten,Umsatz,Saldo,Währung,Zahlungsart", "mintos.v1"),
        ("Date,Transaction ID:,Details,Turnover,Balance,Currency,Payment Type", "mintos.v3"),
        (
            "Auftragskonto;Buchungstag;Valutadatum;Verwendungszweck;Beguenstigter/Zahlungspflichtiger;Kontonummer/IBAN;Betrag",
            "sparkasse.v2",
        ),
        ("BETRAG;DATUM;BESCHREIBUNG;DARLEHEN", "loan.v1"),
        ('"Date","Payee","Account number","Transaction type","Payment reference","Amount (EUR)"', "n26.v1"),
        ("Date;Date valeur;Libellé;Débit;Crédit", "banque-fr.v1"),
    ],
)
def test_a_bank_is_known_by_its_header_in_any_order_and_case(header, code):
    data = (header + "\n").encode()
    found = recognise(data, size=len(data))

    assert found.format == code
    assert found.mapping is not None
    assert not found.needs_mapping


def test_lines_above_the_header_and_their_balance_do_not_matter(reads):
    head = "Konto\nAllgemeine Informationen\nKontostand\nKontoumsätze\n"
    table = (
        "Buchung ;Valuta;Sender / Empfänger;IBAN;BIC;Buchungstext;Verwendungszweck;Kategorie;Stichwörter;"
        "Umsatz geteilt;Betrag;Währung\n02.05.2024;03.05.2024;Amazon;DE02;X;KARTE;n/a;n/a;n/a;n/a;-1.499,00;EUR\n"
    )
    result = reads(head + table)

    assert result.recognition.format == "consors.v1"
    assert [(line.minor, line.text) for line in result.lines] == [(-149900, "KARTE")]


def test_the_fingerprint_is_of_the_header_and_not_of_the_file():
    first = recognise(b"Date,Amount,Text\n2024-01-01,1,a\n", size=31)
    again = recognise(b"date ;AMOUNT;text\n2025-01-01;2;b\n", size=33)
    other = recognise(b"Date,Amount,Memo\n2024-01-01,1,a\n", size=31)

    assert first.header_fingerprint == again.header_fingerprint != other.header_fingerprint


def test_an_encoding_can_be_chosen_by_hand():
    data = "Date;Amount;Libellé\n2024-01-01;1,00;Café\n".encode("cp850")
    found = recognise(data, size=len(data), encoding="cp850")

    assert found.mapping is not None
    assert found.mapping.encoding == "cp850"
    assert [row.text for row in preview(data, found, found.mapping, default_currency="EUR")] == ["Café"]


def test_a_table_that_nobody_knows_waits_for_a_person():
    data = b"alpha;beta;gamma\nfoo;bar;baz\nx;y;z\n"
    found = recognise(data, size=len(data))

    assert (found.kind, found.format, found.mapping) == ("csv", "generic", None)
    assert found.header == ("alpha", "beta", "gamma")
    assert found.needs_mapping
    with pytest.raises(Unreadable, match="which column"):
        list(read([data], found, mapping=None, default_currency="EUR", max_rows=10))


def test_too_many_rows_are_refused_with_the_limit():
    data = b"Date,Amount,Text\n" + b"2024-01-01,1.00,a\n" * 20
    found = recognise(data, size=len(data))

    with pytest.raises(TooManyRows) as caught:
        list(read([data], found, mapping=None, default_currency="EUR", max_rows=19))
    assert caught.value.limit == 19
    assert isinstance(caught.value, StatementError)


def test_a_head_that_is_cut_in_the_middle_of_a_character_is_still_utf8():
    data = ("Date,Amount,Text\n" + "2024-01-01,1.00,é\n" * 50).encode()
    cut = data.index("é".encode(), 500) + 1

    assert recognise(data[:cut], size=len(data)).encoding == "utf-8"


def test_a_remembered_mapping_is_used_on_the_layout_of_the_next_file():
    first = b"Date,Amount,Memo\n2024-01-31,1.00,a\n"
    other = "Compte 1\nDate;Amount;Memo\n2024-01-31;2,00;é\n".encode("cp1252")
    old, new = recognise(first, size=len(first)), recognise(other, size=len(other))

    assert old.header_fingerprint == new.header_fingerprint
    mapping = replace(old.mapping, decimal=",", flip_sign=True).on(new.layout)
    rows = list(read([other], new, mapping=mapping, default_currency="EUR", max_rows=10))
    assert [(row.line, row.minor, row.text) for row in rows] == [(3, -200, "é")]


def test_a_person_may_say_where_the_header_is_and_what_parts_the_columns():
    data = b"x,y\nDate;Amount;Text\n31.01.2024;1,00;a\n"
    found = recognise(data, size=len(data))

    assert (found.layout.delimiter, found.layout.header_line) == (";", 2)
    without = relaid(data, found, replace(found.layout, header_line=0))
    assert without.header == ()
    again = relaid(data, without, replace(without.layout, header_line=2))
    assert again == found


def test_a_table_that_nobody_knows_has_a_layout_to_start_from():
    data = b"alpha;beta;gamma\nfoo;bar;baz\nx;y;z\n"
    layout = recognise(data, size=len(data)).layout

    assert (layout.delimiter, layout.header_line, layout.width, layout.is_complete()) == (";", 1, 3, False)
