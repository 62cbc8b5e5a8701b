"""A wrong row that a person has corrected becomes a line."""

from tenants.money.imports.readers.lines import Line, Wrong
from tenants.money.imports.readers.repair import repaired


def test_a_rounded_amount_makes_the_row_a_line_with_its_own_source_text(reads, sample):
    (wrong,) = reads(sample("csv/mintos.v2.csv")).wrong
    line = repaired(wrong, {"amount": "0.04"}, default_currency="EUR")

    assert isinstance(line, Line)
    assert (line.minor, line.currency, line.day.isoformat(), line.raw) == (4, "EUR", "2024-03-01", wrong.raw)


def test_what_is_still_wrong_is_told_again(reads, sample):
    wrong = reads(sample("csv/trouble.csv")).wrong[0]

    again = repaired(wrong, {"date": "2024-02-31"}, default_currency="EUR")
    assert isinstance(again, Wrong)
    assert (again.code, again.fields["date"]) == ("no_such_day", "2024-02-31")


def test_a_swallowed_row_can_be_taken_as_it_is(reads, sample):
    wrong = reads(sample("csv/trouble.csv")).wrong[-1]

    line = repaired(wrong, {}, default_currency="EUR")
    assert isinstance(line, Line)
    assert (line.minor, line.text) == (1000, "swallowed by the quote above")


def test_a_corrected_row_stays_on_its_account(reads):
    head = "Darlehen;Datum;Betrag;Beschreibung\nKfW;31.02.2024;-1,00;a\n"
    (wrong,) = reads(head).wrong

    assert repaired(wrong, {"date": "29.02.2024"}, default_currency="EUR").account_label == "KfW"
