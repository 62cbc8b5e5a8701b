"""Amounts are read exactly, however a bank writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.money.imports.readers.amounts import AmountError, currency_code, fast_reader, to_minor
from webapp.kernel.money import decimal


@pytest.mark.parametrize(
    ("text", "sign", "minor"),
    [
        ("1.234,56", ",", 123456),
        ("1 234,56", ",", 123456),
        ("1\u00a0234,56", ",", 123456),
        ("1\u202f234,56", ",", 123456),
        ("1\u2009234,56", ",", 123456),
        ("1'234.56", ".", 123456),
        ("1\u2019234.56", ".", 123456),
        ("1,23,456.00", ".", 12345600),
        ("-12,34", ",", -1234),
        ("12,34-", ",", -1234),
        ("(12.34)", ".", -1234),
        ("\u221212.34", ".", -1234),
        ("+1", ".", 100),
        ("- 5.00", ".", -500),
        ("0.0400", ".", 4),
        (".5", ".", 50),
        ("500,", ",", 50000),
        ("٣٥٫٥٠", ".", 3550),
        ("١٬٢٣٤٫٥٠", ",", 123450),
        ("12.30 €", ".", 1230),
        ("€-12.30", ".", -1230),
        ("-€12.30", ".", -1230),
        ("EUR 12.30", ".", 1230),
        ("1.234,56", "", 123456),
        ("1,234.56", "", 123456),
        ("1.234.567", "", 123456700),
    ],
)
def test_an_amount_is_read_exactly(text, sign, minor):
    assert to_minor(text, "EUR", sign) == (minor, "EUR")


@pytest.mark.parametrize(
    ("text", "currency", "sign", "code"),
    [
        ("ten", "EUR", ".", "bad_amount"),
        ("", "EUR", ".", "missing_amount"),
        ("  ", "EUR", ".", "missing_amount"),
        ("1.234", "EUR", ".", "too_precise"),
        ("0.0413", "EUR", ".", "too_precise"),
        ("8731.5", "JPY", ".", "too_precise"),
        ("12,34", "EUR", ".", "bad_amount"),
        ("12 50", "EUR", ",", "bad_amount"),
        ("1.2.3", "EUR", ".", "bad_amount"),
        ("--5", "EUR", ".", "bad_amount"),
        ("(-5)", "EUR", ".", "bad_amount"),
        ("1e5", "EUR", ".", "bad_amount"),
        ("NaN", "EUR", ".", "bad_amount"),
        ("1_000", "EUR", ".", "bad_amount"),
        ("²", "EUR", ".", "bad_amount"),
        ("9" * 30, "EUR", ".", "too_large"),
        ("10000000000000.01", "EUR", ".", "too_large"),
        ("5", "ABC", ".", "unknown_currency"),
    ],
)
def test_what_is_no_amount_says_why(text, currency, sign, code):
    with pytest.raises(AmountError) as caught:
        to_minor(text, currency, sign)

    assert caught.value.code == code


def test_the_currency_that_an_amount_names_goes_before_the_default():
    assert to_minor("12.00 USD", "EUR", ".") == (1200, "USD")
    assert to_minor("12,00 د.م.", "EUR", ",") == (1200, "MAD")


def test_currencies_are_known_by_sign_and_name():
    assert [currency_code(text) for text in ("€", "eur", " Euro ", "DH", "XQQ")] == ["EUR", "EUR", "EUR", "MAD", "XQQ"]


@given(st.integers(-(10**14), 10**14), st.sampled_from(["EUR", "JPY", "TND"]), st.sampled_from([".", ","]))
def test_every_amount_survives_being_written_with_groups(minor, currency, sign):
    text = decimal(abs(minor), currency)
    whole, _, fraction = text.partition(".")
    grouped = f"{int(whole):,}".replace(",", "." if sign == "," else ",")
    written = ("-" if minor < 0 else "") + grouped + (sign + fraction if fraction else "")

    assert to_minor(written, currency, sign)[0] == minor


@given(st.decimals(-(10**7), 10**7, places=2))
def test_the_fast_reader_agrees_with_the_careful_one(amount):
    text = format(amount, "f")

    assert fast_reader("EUR", ".")(text) == to_minor(text, "EUR", ".")[0] == int(amount * Decimal(100))


@given(st.text(max_size=30), st.sampled_from([".", ",", ""]))
def test_no_text_breaks_the_reader(text, sign):
    try:
        minor, currency = to_minor(text, "EUR", sign)
    except AmountError as error:
        minor, currency = 0, error.code
    assert isinstance(minor, int)
    assert currency in {"bad_amount", "missing_amount", "too_precise", "too_large"} or len(currency) == 3
