"""Every sample statement gives the rows and the exact sums of the table beside them."""

from collections import defaultdict

import pytest

from tenants.money.imports.readers.lines import Line
from webapp.kernel.money import decimal

TABLE = {
    "csv/sparkasse.latin1.csv": ("sparkasse.v1", 5, {"EUR": "777.37"}, 0),
    "csv/consors.v2.csv": ("consors.v2", 3, {"EUR": "1126.62"}, 0),
    "csv/mintos.v2.csv": ("mintos.v2", 3, {"EUR": "251.25"}, 1),
    "csv/loan.multi-account.csv": ("loan.v1", 3, {"EUR": "-1839.22"}, 0),
    "csv/banque-fr.debit-credit.csv": ("banque-fr.v1", 5, {"EUR": "1225.40"}, 0),
    "csv/n26.csv": ("n26.v2", 3, {"EUR": "-11.59"}, 0),
    "csv/revolut.csv": ("revolut.v1", 4, {"EUR": "85.77", "JPY": "8731"}, 0),
    "csv/banque-ma.csv": ("banque-ma.v1", 4, {"MAD": "10051.75"}, 0),
    "csv/banque-tn.millimes.csv": ("generic", 3, {"TND": "276.885"}, 0),
    "csv/trouble.csv": ("generic", 1, {"EUR": "10.00"}, 7),
    "csv/formula.csv": ("generic", 5, {"EUR": "5.00"}, 0),
    "camt/camt052.v2.xml": ("camt.052.001.02", 1, {"SEK": "-200000.00"}, 0),
    "camt/camt053.v2.five.decimals.xml": ("camt.053.001.02", 1, {"EUR": "8.85"}, 0),
    "camt/camt053.v2.minimal.xml": ("camt.053.001.02", 1, {"EUR": "8.85"}, 0),
    "camt/camt053.v2.multi.statement.xml": ("camt.053.001.02", 2, {"EUR": "1.85"}, 0),
    "camt/camt054.v2.xml": ("camt.054.001.02", 1, {"SEK": "-200000.00"}, 0),
    "mt940/abnamro.sta": ("mt940", 10, {"EUR": "-345.93"}, 0),
    "mt940/ing.sta": ("mt940", 7, {"EUR": "-45.59"}, 0),
    "mt940/knab.sta": ("mt940", 3, {"EUR": "-6260.00"}, 0),
    "mt940/postfinance.sta": ("mt940", 4, {"CHF": "159.40"}, 0),
    "mt940/rabobank-iban.sta": ("mt940", 4, {"EUR": "-70.00"}, 0),
    "mt940/triodos.sta": ("mt940", 2, {"EUR": "-715.70"}, 0),
    "ofx/bank_medium.ofx": ("ofx.1", 3, {"CAD": "-345.27"}, 0),
    "ofx/bank_small.ofx": ("ofx.1", 0, {}, 0),
    "ofx/checking.ofx": ("ofx.1", 3, {"USD": "-59.50"}, 0),
    "ofx/suncorp.ofx": ("ofx.2", 1, {"AUD": "-16.85"}, 0),
    "qif/test.qif": ("qif", 5, {"EUR": "-35.50"}, 0),
    "qif/test_split.qif": ("qif", 1, {"EUR": "-10.00"}, 0),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_sample_gives_its_rows_and_its_exact_sum(name, sample, reads):
    code, count, sums, wrong = TABLE[name]
    result = reads(sample(name))

    found: dict[str, int] = defaultdict(int)
    for line in result.lines:
        found[line.currency] += line.minor
    assert result.recognition.format == code
    assert len(result.lines) == count
    assert {currency: decimal(minor, currency) for currency, minor in found.items()} == sums
    assert len(result.wrong) == wrong


@pytest.mark.parametrize("name", TABLE)
def test_the_size_of_the_chunks_makes_no_difference(name, sample, reads):
    data = sample(name)

    assert reads(data, chunk=7).rows == reads(data, chunk=len(data)).rows


def test_the_loan_sample_is_on_two_accounts(sample, reads):
    labels = reads(sample("csv/loan.multi-account.csv")).labels

    assert labels == {("Baufinanzierung", "EUR"): 2, ("KfW 124", "EUR"): 1}


def test_an_amount_that_cannot_be_held_is_a_question_with_everything_needed_to_answer_it(sample, reads):
    (wrong,) = reads(sample("csv/mintos.v2.csv")).wrong

    assert (wrong.line, wrong.code) == (2, "too_precise")
    assert wrong.params == {"value": "0.0413", "currency": "EUR", "places": "2"}
    assert wrong.fields["amount"] == "0.0413"
    assert wrong.fields["date"].startswith("2024-03-01")


def test_two_identical_purchases_on_one_day_are_two_lines(sample, reads):
    lines = reads(sample("csv/sparkasse.latin1.csv")).lines

    twins = [line for line in lines if line.minor == -320]
    assert len(twins) == 2
    assert twins[0].raw == twins[1].raw


def test_every_row_of_the_trouble_sample_is_there_with_its_line_and_reason(sample, reads):
    result = reads(sample("csv/trouble.csv"))

    assert [(row.line, "" if isinstance(row, Line) else row.code) for row in result.rows] == [
        (2, ""),
        (3, "no_such_day"),
        (4, "bad_amount"),
        (5, "missing_amount"),
        (6, "too_precise"),
        (7, "missing_column"),
        (8, "unclosed_quote"),
        (9, "swallowed"),
    ]
    assert result.wrong[-1].fields["text"] == "swallowed by the quote above"


def test_a_french_statement_ignores_its_total_and_states_its_balance(sample, reads):
    result = reads(sample("csv/banque-fr.debit-credit.csv"))

    assert [(row.line, row.code) for row in result.ignored] == [(10, "total")]
    assert [(b.kind, b.day.isoformat(), b.minor, b.currency) for b in result.balances] == [
        ("closing", "2024-05-31", 341208, "EUR")
    ]


def test_revolut_books_the_fee_and_leaves_out_what_is_pending_or_reverted(sample, reads):
    result = reads(sample("csv/revolut.csv"))

    assert [line.minor for line in result.lines] == [20000, -6398, -5025, 8731]
    assert [row.code for row in result.ignored] == ["pending", "reverted"]
    assert {(b.currency, b.minor) for b in result.balances} == {("EUR", 8577), ("JPY", 8731)}


def test_a_line_break_inside_a_field_and_a_foreign_amount_are_kept(sample, reads):
    lines = reads(sample("csv/n26.csv")).lines

    assert lines[2].text == "Danke für das Essen"
    assert lines[2].raw.count("\n") == 1
    assert lines[1].text == "5.50 USD @ 1.08268"


def test_stated_balances_of_mt940_add_up_with_the_lines(sample, reads):
    result = reads(sample("mt940/rabobank-iban.sta"))

    opening, closing = result.balances[0], result.balances[-1]
    assert opening.minor + sum(line.minor for line in result.lines) == closing.minor
