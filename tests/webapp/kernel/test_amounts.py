"""Amounts as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.money import decimal


@pytest.mark.parametrize(
    ("text", "currency", "habit", "minor"),
    [
        ("12", "EUR", "", 1200),
        ("12.5", "EUR", "", 1250),
        ("12,50", "EUR", "", 1250),
        ("1 234,56", "EUR", "", 123456),
        ("1\u202f234,56", "EUR", "", 123456),
        ("1\u00a0234,56 €", "EUR", "", 123456),
        ("1,234.56", "EUR", "", 123456),
        ("1.234,56", "EUR", "", 123456),
        ("1'234.56", "CHF", "", 123456),
        ("1\u2019234\u2019567.80", "CHF", "", 123456780),
        ("12,34,567.50", "INR", "", 123456750),
        ("1,234", "EUR", "", 123400),
        ("1,234", "EUR", ".", 123400),
        ("1.234", "EUR", ",", 123400),
        ("1,234", "TND", "", 1234),
        ("1,234", "TND", ".", 1234000),
        ("1.234.567", "EUR", "", 123456700),
        ("0,123", "TND", ",", 123),
        (".5", "EUR", "", 50),
        ("5.", "EUR", "", 500),
        ("-12.50", "EUR", "", -1250),
        ("\u221212.50", "EUR", "", -1250),
        ("+12.50", "EUR", "", 1250),
        ("12.50-", "EUR", "", -1250),
        ("(12.50)", "EUR", "", -1250),
        ("٣٤٥٫٦٧", "EUR", "", 34567),
        ("\u061c-١٬٢٣٤٫٥٦", "EUR", "", -123456),
        ("۱۲", "EUR", "", 1200),
        ("EUR 12.50", "EUR", "", 1250),
        ("12.50eur", "EUR", "", 1250),
        ("$12.50", "USD", "", 1250),
        ("12+3*2", "EUR", "", 1800),
        ("(12+3)*2", "EUR", "", 3000),
        ("100/3", "EUR", "", 3333),
        ("-100/3", "EUR", "", -3333),
        ("200/3", "EUR", "", 6667),
        ("12 × 1,5", "EUR", "", 1800),
        ("1 200 - 200", "EUR", "", 100000),
        ("1500", "JPY", "", 1500),
        ("-0", "EUR", "", 0),
    ],
)
def test_an_amount_is_read_as_it_was_meant(text: str, currency: str, habit: str, minor: int) -> None:
    assert read_amount(text, currency, decimal_sign=habit) == minor


@pytest.mark.parametrize(
    ("text", "currency", "habit", "code"),
    [
        ("", "EUR", "", "empty"),
        ("  ", "EUR", "", "empty"),
        ("€", "EUR", "", "empty"),
        ("twelve", "EUR", "", "not_an_amount"),
        ("12.50 USD", "EUR", "", "not_an_amount"),
        ("1 23 45", "EUR", "", "not_an_amount"),
        ("1,2,3", "EUR", "", "not_an_amount"),
        ("1..2", "EUR", "", "not_an_amount"),
        (".", "EUR", "", "not_an_amount"),
        ("12+", "EUR", "", "not_an_amount"),
        ("*12", "EUR", "", "not_an_amount"),
        ("(12", "EUR", "", "not_an_amount"),
        ("12)", "EUR", "", "not_an_amount"),
        ("2**9", "EUR", "", "not_an_amount"),
        ("1e9", "EUR", "", "not_an_amount"),
        ("((((((((((((((1))))))))))))))", "EUR", "", "not_an_amount"),
        ("1" * 200, "EUR", "", "not_an_amount"),
        ("12.345", "EUR", "", "too_precise_or_grouped"),
        ("1,234", "EUR", ",", "too_precise"),
        ("12.3456", "EUR", "", "too_precise"),
        ("1.5", "JPY", "", "too_precise"),
        ("99999999999999999", "EUR", "", "too_large"),
        ("1/0", "EUR", "", "division_by_zero"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_reason(text: str, currency: str, habit: str, code: str) -> None:
    if code == "too_precise_or_grouped":
        assert read_amount(text, currency) == 1234500
        assert pytest.raises(AmountError, read_amount, text, currency, decimal_sign=".").value.code == "too_precise"
        return
    assert pytest.raises(AmountError, read_amount, text, currency, decimal_sign=habit).value.code == code


@given(st.integers(-(10**15), 10**15), st.sampled_from(["EUR", "JPY", "TND"]), st.sampled_from([".", ","]))
def test_every_amount_that_is_written_plainly_reads_back(minor: int, currency: str, habit: str) -> None:
    text = decimal(minor, currency).replace(".", habit)
    assert read_amount(text, currency, decimal_sign=habit) == minor


@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(read_amount(text, "EUR"), int)
    except AmountError as error:
        assert error.message % error.params
