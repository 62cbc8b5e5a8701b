"""CAMT of every version: only what is booked, batches split when their amounts are given."""

import re

import pytest

from tenants.money.imports.readers.camt import read_camt
from tenants.money.imports.readers.lines import Notes, Unreadable


def test_version_8_with_prefixes_is_read(reads, sample):
    result = reads(sample("../more/camt053.v8.xml"))

    assert [(line.minor, line.counterparty, line.text) for line in result.lines] == [
        (-1000, "Wasserwerk & Söhne", "Wasser · Mai"),
        (-2000, "Stadtwerke", "Strom"),
        (8150, "Mobilfunk AG", "Rücklastschrift"),
    ]
    assert [(row.line, row.code) for row in result.ignored] == [(18, "pending"), (19, "information")]
    assert [(row.line, row.code) for row in result.wrong] == [(20, "too_precise")]
    assert [(b.kind, b.minor) for b in result.balances] == [("opening", 10000), ("closing", 15150)]
    assert result.balances[0].minor + sum(line.minor for line in result.lines) == result.balances[1].minor


def test_a_batch_whose_payments_do_not_add_up_is_one_line(reads, sample):
    (line,) = reads(sample("../more/camt054.v12.xml")).lines

    assert (line.minor, line.currency, line.counterparty) == (12345, "TND", "شركة النور, Ben Ali")


@pytest.mark.parametrize("version", range(1, 14))
def test_the_version_in_the_namespace_does_not_matter(version, reads, sample):
    old = sample("camt/camt053.v2.multi.statement.xml").replace(
        b"camt.053.001.02", f"camt.053.001.{version:02}".encode()
    )

    assert [line.minor for line in reads(old).lines] == [885, -700]
    assert reads(old).recognition.format == f"camt.053.001.{version:02}"


def test_the_source_text_does_not_depend_on_prefixes_or_white_space(reads, sample):
    prefixed = sample("../more/camt053.v8.xml").decode()
    plain = re.sub(r">\s+<", "> <", prefixed).replace("ns2:", "").replace("xmlns:ns2", "xmlns")

    assert [row.raw for row in reads(plain).rows] == [row.raw for row in reads(prefixed).rows]


def test_a_file_that_breaks_off_gives_what_was_read_and_one_wrong_row(reads, sample):
    data = sample("camt/camt053.v2.multi.statement.xml")
    result = reads(data[: data.rindex(b"Company Name 2")])

    assert [line.minor for line in result.lines] == [885]
    assert [row.code for row in result.wrong] == ["truncated"]
    assert "7.00" in result.wrong[0].raw


def test_a_tag_that_does_not_fit_is_told_with_its_line(reads, sample):
    data = sample("camt/camt053.v2.multi.statement.xml").replace(b'<Amt Ccy="EUR">7.00</Amt>', b"<Amt>7.00</Amnt>")
    result = reads(data)

    assert [line.minor for line in result.lines] == [885]
    assert [row.code for row in result.wrong] == ["malformed"]
    assert int(result.wrong[0].params["at"]) > 60


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<Dt>2024-02-29</Dt>", "<Dt>2024-02-30</Dt>", "no_such_day"),
        ("<BookgDt><Dt>2024-02-29</Dt></BookgDt>", "", "missing_date"),
        ('<Amt Ccy="TND">12.345', '<Amt Ccy="ZZZ">12.345', "unknown_currency"),
        ('<Amt Ccy="TND">12.345</Amt>', "", "missing_amount"),
        ("CRDT", "MAYBE", "bad_sign"),
        ("BOOK", "ODD", "unknown_status"),
    ],
)
def test_a_wrong_entry_is_a_row_with_its_reason(old, new, code, reads, sample):
    data = sample("../more/camt054.v12.xml").decode()
    assert old in data

    assert [row.code for row in reads(data.replace(old, new)).rows] == [code]


LAUGHS = '<!DOCTYPE Document [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE Document [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
REMOTE = '<!DOCTYPE Document SYSTEM "http://127.0.0.1/x.dtd">'


@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE, REMOTE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_every_encoding(declaration, encoding, reads, sample):
    text = (
        sample("../more/camt054.v12.xml")
        .decode()
        .replace('encoding="UTF-8"?>', f'encoding="{encoding}"?>{declaration}')
    )

    with pytest.raises(Unreadable) as caught:
        reads(text.encode(encoding))
    assert caught.value.code == "dtd"


@pytest.mark.parametrize("declaration", [LAUGHS, OUTSIDE, REMOTE, "<!DOCTYPE Document>"])
def test_a_document_type_far_below_the_head_is_refused_by_the_parser(declaration):
    with pytest.raises(Unreadable) as caught:
        list(
            read_camt(
                [b"<?xml version='1.0'?>", b"<!-- -->" * 10, declaration.encode(), b"<Document/>"], "EUR", Notes()
            )
        )
    assert caught.value.code == "dtd"


def test_deep_nesting_is_refused(reads, sample):
    data = sample("../more/camt054.v12.xml").replace(b"<NtryDtls>", b"<NtryDtls>" + b"<a>" * 100)

    with pytest.raises(Unreadable) as caught:
        reads(data)
    assert caught.value.code == "too_deep"
