"""Dates are written in the order that their reader is used to."""

from datetime import UTC, date, datetime

import pytest
from flask import Flask
from flask_babel import force_locale

from webapp.web.render import day, moment


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("en-GB,en;q=0.9", "21 Nov 2026"),
        ("en-us,en-GB;q=0.5", "Nov 21, 2026"),
        ("en", "Nov 21, 2026"),
        ("en,en-au;q=0.5", "21 Nov 2026"),
        ("en-ZZ", "Nov 21, 2026"),
        ("de-DE,de;q=0.9", "Nov 21, 2026"),
        ("", "Nov 21, 2026"),
    ],
)
def test_english_dates_take_the_order_of_the_browsers_region(app: Flask, asked: str, told: str):
    with app.test_request_context(headers={"Accept-Language": asked}), force_locale("en"):
        assert day(date(2026, 11, 21)) == told
        assert moment(datetime(2026, 11, 21, 14, 30, tzinfo=UTC)).startswith(told)


def test_other_languages_keep_theirs(app: Flask):
    with app.test_request_context(headers={"Accept-Language": "en-GB"}), force_locale("fr"):
        assert day(date(2026, 11, 21)) == "21 nov. 2026"
