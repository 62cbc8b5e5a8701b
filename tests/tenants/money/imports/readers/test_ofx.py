"""OFX as banks write it: without end tags, with several statements, in wrong encodings."""

import pytest

from tenants.money.imports.readers.lines import Unreadable, Wrong

HEAD = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\n\n<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>EUR<BANKTRANLIST>\n"
TAIL = "</BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"


def entry(**values: str) -> str:
    fields = {"TRNTYPE": "DEBIT", "DTPOSTED": "20240102", "TRNAMT": "-1.00", "FITID": "7", "NAME": "Shop", **values}
    return "<STMTTRN>" + "".join(f"<{k}>{v}\n" for k, v in fields.items()) + "</STMTTRN>\n"


def test_two_statements_of_one_xml_file_keep_their_accounts_and_currencies(reads, sample):
    result = reads(sample("../more/ofx2.two.statements.ofx"))

    assert result.recognition.format == "ofx.2"
    assert result.labels == {("00012345678", "EUR"): 2, ("00012345678", "USD"): 1, ("4111XXXX1111", "CHF"): 1}
    assert [(b.account_label, b.minor, b.currency) for b in result.balances] == [
        ("00012345678", 100000, "EUR"),
        ("4111XXXX1111", -1250, "CHF"),
    ]
    first = result.lines[0]
    assert (first.counterparty, first.text, first.value_day.isoformat()) == (
        "Café & Co",
        "Déjeuner d'équipe",
        "2024-05-03",
    )


def test_records_without_end_tags_are_told_apart(reads, sample):
    lines = reads(sample("../more/sgml.unclosed.qfx")).lines

    assert [(line.minor, line.counterparty, line.text) for line in lines] == [
        (-660, "Boulangerie Hélène & Fils", ""),
        (125000, "Salaire", "a < b"),
    ]


def test_a_file_of_securities_only_says_so(reads, sample):
    with pytest.raises(Unreadable) as caught:
        reads(sample("../more/investment.ofx"))

    assert caught.value.code == "investment_only"


def test_a_number_that_the_bank_uses_again_is_not_the_same_entry(reads):
    january = reads(HEAD + entry(FITID="1") + TAIL).lines[0]
    february = reads(HEAD + entry(FITID="1", DTPOSTED="20240202") + TAIL).lines[0]
    again = reads(HEAD + entry(FITID="1", NAME="SHOP  LTD") + TAIL).lines[0]

    assert january.bank_id == again.bank_id != february.bank_id
    assert reads(HEAD + entry(FITID="0000") + TAIL).lines[0].bank_id is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"DTPOSTED": "20240230"}, "no_such_day"),
        ({"DTPOSTED": "soon"}, "bad_date"),
        ({"TRNAMT": "much"}, "bad_amount"),
        ({"TRNAMT": "-1.001"}, "too_precise"),
        ({"TRNAMT": "9" * 20}, "too_large"),
        ({"TRNAMT": ""}, "missing_amount"),
    ],
)
def test_a_wrong_record_is_one_row_and_does_not_hide_the_next(values, code, reads):
    result = reads(HEAD + entry(**values) + entry(FITID="8") + TAIL)

    assert [row.code for row in result.wrong] == [code]
    assert len(result.lines) == 1
    assert result.wrong[0].fields["counterparty"] == "Shop"


def test_a_file_that_breaks_off_gives_what_was_read_and_one_wrong_row(reads):
    whole = HEAD + entry() + entry(FITID="8", NAME="Last") + TAIL
    result = reads(whole[: whole.index("Last") + 2])

    assert len(result.lines) == 1
    assert [(row.code, row.fields["amount"]) for row in result.wrong] == [("truncated", "-1.00")]


def test_a_line_end_that_is_cut_off_is_told_too(reads):
    result = reads(HEAD + entry() + "</BANKTRANLIST>")

    assert len(result.lines) == 1
    assert [row.code for row in result.wrong] == ["truncated"]


def test_an_entity_is_refused_wherever_it_stands(reads):
    with pytest.raises(Unreadable) as caught:
        reads(HEAD + entry() * 30_000 + "<!ENTITY x SYSTEM 'file:///etc/passwd'>" + TAIL, chunk=60_000)

    assert caught.value.code == "dtd"


def test_the_source_of_a_record_is_carried_whole(reads):
    (line,) = reads(HEAD + entry() + TAIL).lines

    assert line.raw == entry().strip()
    assert not isinstance(line, Wrong)
