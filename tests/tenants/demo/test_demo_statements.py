"""The demonstration's statements bring what its books do not hold yet, and its books know where it belongs."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import text

from tenants.demo.commands import SEED, tell_story
from tenants.demo.company import STATEMENT_DAYS, story
from tenants.demo.statements import samples
from tenants.money.accounts import queries as accounts
from tenants.money.imports import suggestions
from tests.cast import STAGE, Workspace

TODAY = date(2026, 11, 20)


@pytest.mark.parametrize("today", [TODAY, date(2026, 11, 5), date(2027, 3, 1), date(2028, 2, 29)])
def test_purchases_of_the_sample_days_are_not_in_the_books(today: date) -> None:
    books = [entry for month in story(SEED, today) for entry in month]
    first = today - timedelta(days=STATEMENT_DAYS)
    assert not [entry for entry in books if entry.comes_by_statement and entry.day >= first]
    assert [entry for entry in books if entry.comes_by_statement and entry.day >= first - timedelta(days=10)]


def test_a_movement_of_the_dollar_sample_has_a_line_of_its_own() -> None:
    (sample,) = (one for one in samples(SEED, TODAY) if one.name.endswith(".ofx"))
    lines = sample.content.decode("cp1252").splitlines()
    assert sum(line.startswith("<STMTTRN>") and line.endswith("</STMTTRN>") for line in lines) == 8


def test_the_story_teaches_the_categories_of_its_counterparties(acme: Workspace) -> None:
    with acme.begin() as session:
        tell_story(session=session, actor=STAGE, at=datetime.now(UTC), today=TODAY)
    with acme.begin() as session:
        known = {one.id: one for one in accounts.accounts(session=session, kinds=["expense", "income"])}
        judge = suggestions.suggester(
            session=session, currencies={key: one.currency for key, one in known.items() if one.purpose is None}
        )
        found = {}
        for words in (
            "CARTE GAZOLE STATION AVIA 4711",
            "TELEPEAGE SANEF 12",
            "PRLV FOURNITURES REXEL 9",
            "NOBODY KNOWS",
        ):
            said = judge.suggest("", words, "EUR")
            found[words.split()[-2]] = said and known[said[0]].name
        assert found == {"AVIA": "Fuel", "SANEF": "Tolls and parking", "REXEL": "Spare parts", "NOBODY": None}
        assert session.scalar(text("SELECT max(seen) FROM category_word WHERE word = ''")) > 100
