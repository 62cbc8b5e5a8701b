"""QIF: records, splits, accounts, and dates of two continents."""

import pytest

from tenants.money.imports.readers.lines import Unreadable


def test_a_split_record_is_one_line_that_tells_its_parts(reads, sample):
    (line,) = reads(sample("qif/test_split.qif")).lines

    assert (line.minor, line.counterparty, line.day.isoformat()) == (-1000, "A Payee", "2000-01-01")
    assert line.text == "[An Account] -9.00 · A Category -1.00"


def test_a_date_in_a_split_is_not_the_date_of_the_record(reads, sample):
    days = {line.counterparty: line.day.isoformat() for line in reads(sample("qif/test.qif")).lines}

    assert days["Amazon.com"] == "2020-02-10"


def test_accounts_give_their_names_to_the_records_below(reads):
    text = (
        "!Option:AutoSwitch\n!Account\nNCurrent\nTBank\n^\n!Type:Bank\nD1/31/24\nT-5.00\nPa\n^\n"
        "!Account\nNVisa\nTCCard\n^\n!Type:CCard\nD1/30/24\nT-6.00\nPb\n^\n"
    )

    assert reads(text).labels == {("Current", "EUR"): 1, ("Visa", "EUR"): 1}


@pytest.mark.parametrize(
    ("dates", "amount", "days", "doubts"),
    [
        (["31/01/2024", "01/02/2024"], "-1,234.50", ["2024-01-31", "2024-02-01"], ()),
        (["1/31/24", "2/1'24"], "-1,234.50", ["2024-01-31", "2024-02-01"], ()),
        (["31.01.2024", "01.02.2024"], "-1.234,50", ["2024-01-31", "2024-02-01"], ()),
        (["3/4/2024", "3/4/2024"], "-1,234.50", ["2024-03-04", "2024-03-04"], ("date_order",)),
        (["03/04/2024", "03/04/2024"], "-1.234,50", ["2024-04-03", "2024-04-03"], ("date_order",)),
    ],
)
def test_the_whole_file_decides_how_dates_and_amounts_are_read(dates, amount, days, doubts, reads):
    result = reads("!Type:Bank\n" + "".join(f"D{day}\nT{amount}\nPx\n^\n" for day in dates))

    assert [line.day.isoformat() for line in result.lines] == days
    assert {line.minor for line in result.lines} == {-123450}
    assert result.recognition.mapping.doubts == doubts


def test_wrong_records_are_rows_of_their_own(reads):
    result = reads("!Type:Bank\nD2/30/2024\nT1.00\n^\nD12/31/2024\nTx\n^\nT1.00\n^\nD12/30/2024\nT2.00\n^\n")

    assert [(row.line, row.code) for row in result.wrong] == [
        (2, "no_such_day"),
        (5, "bad_amount"),
        (8, "missing_date"),
    ]
    assert len(result.lines) == 1


def test_a_file_that_breaks_off_says_so(reads):
    result = reads("!Type:Bank\nD12/30/2024\nT2.00\nPa\n^\nD12/31/2024\nT-50")

    assert len(result.lines) == 1
    assert [(row.code, row.fields["amount"]) for row in result.wrong] == [("truncated", "-50")]


@pytest.mark.parametrize(("section", "code"), [("Invst", "investment_only"), ("Cat", "no_records")])
def test_a_file_without_movements_says_what_it_holds(section, code, reads):
    with pytest.raises(Unreadable) as caught:
        reads(f"!Type:{section}\nNx\nD1/1/2024\n^\n")

    assert caught.value.code == code
