"""Dates are read in the form that the whole column shows."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.money.imports.readers.dates import FORMS, DateError, Readings, judge, looks_like_day, readings, to_day


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("05.03.2024", "%d.%m.%Y"),
        ("5.3.24", "%d.%m.%Y"),
        ("05/03/2024", "%d/%m/%Y"),
        ("03/05/2024", "%m/%d/%Y"),
        ("2024-03-05", "%d.%m.%Y"),
        ("2024-03-05 06:12:44", "%Y-%m-%d"),
        ("2024-03-05T06:12:44Z", "%Y-%m-%d"),
        ("20240305", "%Y%m%d"),
        ("05032024", "%d%m%Y"),
        ("5 Mar 2024", "%d %b %Y"),
        ("5 mars 2024", "%d %b %Y"),
        ("5. März 2024", "%d %b %Y"),
        ("5 de marzo de 2024", "%d %b %Y"),
        ("Mar 5, 2024", "%b %d %Y"),
        ("٠٥/٠٣/٢٠٢٤", "%d/%m/%Y"),
        ("5 مارس 2024", "%d %b %Y"),
    ],
)
def test_a_date_is_read(text, form):
    assert to_day(text, form) == date(2024, 3, 5)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2024-02-30", "no_such_day"),
        ("31.04.2024", "no_such_day"),
        ("soon", "bad_date"),
        ("1/2/3/4", "bad_date"),
        ("", "bad_date"),
    ],
)
def test_what_is_no_day_says_why(text, code):
    with pytest.raises(DateError) as caught:
        to_day(text, "%d.%m.%Y")

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("texts", "form", "doubt"),
    [
        (["03/04/2024", "25/04/2024"], "%d/%m/%Y", False),
        (["03/04/2024", "04/25/2024"], "%m/%d/%Y", False),
        (["03.04.2024"], "%d.%m.%Y", False),
        (["03/04/2024"], "%d/%m/%Y", True),
        (["03/03/2024", "04/04/2024"], "%d/%m/%Y", False),
        (["2024/04/03"], "%Y/%m/%d", False),
        (["20240403"], "%Y%m%d", False),
        (["01/02/2024", "01/03/2024", "01/09/2024", "01/12/2024", "02/01/2024"], "%m/%d/%Y", False),
        (["05.11.2026", "11.31.2026", "10.12.2025"], "%d.%m.%Y", False),
        (["05/11/2026", "11/31/2026", "10/12/2025"], "%d/%m/%Y", True),
        (["05.11.2026", "11.30.2026", "10.12.2025"], "%d.%m.%Y", True),
        (["05.11.2026", "25.11.2026", "11.30.2026"], "%d.%m.%Y", True),
        (["11.30.2026", "11.29.2026", "10.12.2025"], "%m.%d.%Y", True),
        (["05/11/2026", "11/30/2026", "10/12/2025"], "%m/%d/%Y", True),
        (["05/11/2026", "30/11/2026", "10/12/2025"], "%d/%m/%Y", True),
        (["10/05/2026", "10/09/2026", "11/30/2026", "12/02/2026"], "%m/%d/%Y", False),
    ],
)
def test_the_whole_column_decides_the_order_of_day_and_month(texts, form, doubt):
    assert judge(texts) == (form, doubt)


def test_both_orders_are_told_where_neither_is_clear():
    assert readings(["25/11/2026", "03/04/2026"]) is None
    assert readings(["03/04/2026", "05/04/2026"]) == Readings(
        "03/04/2026", date(2026, 4, 3), date(2026, 3, 4), fit_day_first=2, fit_month_first=2, all=2
    )
    mixed = readings(["25/11/2026", "11/25/2026", "11/31/2026"])
    assert mixed == Readings("", None, None, fit_day_first=1, fit_month_first=1, all=3)


@given(st.dates(date(1971, 1, 1), date(2068, 12, 31)), st.sampled_from(sorted(f for f in FORMS if "%b" not in f)))
def test_every_day_survives_being_written_in_every_form(day, form):
    text = day.strftime(form)

    assert looks_like_day(text)
    assert to_day(text, form) == day


@given(st.text(max_size=40), st.sampled_from(sorted(FORMS)))
def test_no_text_breaks_the_reader(text, form):
    looks_like_day(text)
    judge([text, text])
    try:
        answer = to_day(text, form)
    except DateError as error:
        answer = error.code
    assert isinstance(answer, date) or answer in {"bad_date", "no_such_day"}
