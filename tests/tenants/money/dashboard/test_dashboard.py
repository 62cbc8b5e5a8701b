"""The dashboard's figures against entries that were booked over the API."""

import re
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from tenants.demo.commands import tell_story
from tenants.money.accounts.commands import ensure_purpose_account
from tenants.money.accounts.rules import Purpose
from tenants.money.dashboard import queries, rules
from tests.cast import Cast, Person

TODAY = datetime.now(UTC).date()
THIS = TODAY.replace(day=1)
LAST = rules.add_months(TODAY, -1)


def account(person: Person, name: str, kind: str, currency: str = "EUR") -> int:
    """Open an account and return its id."""
    answer = person.api("POST", "/accounts", json={"name": name, "kind": kind, "currency": currency})
    return int(answer.json["id"])


def book(person: Person, day: date, debit: int, credit: int, amount: str, currency: str = "EUR") -> str:
    """Book one entry and return its path."""
    answer = person.api(
        "POST",
        "/entries",
        json={
            "date": day.isoformat(),
            "description": "x",
            "postings": [
                {"account_id": debit, "amount": amount, "currency": currency},
                {"account_id": credit, "amount": f"-{amount}", "currency": currency},
            ],
        },
    )
    assert answer.status_code == 201, answer.text
    return f"/entries/{answer.json['id']}"


def shown(person: Person, months: int = 3) -> Any:
    """Return the dashboard over the API."""
    answer = person.api("GET", f"/dashboard?months={months}")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_net_worth_and_flows_are_those_of_the_books(cast: Cast) -> None:
    alice = cast.alice
    bank, loan = account(alice, "Bank", "asset"), account(alice, "Loan", "liability")
    sales, rent = account(alice, "Sales", "income"), account(alice, "Rent", "expense")
    book(alice, rules.add_months(TODAY, -8), bank, loan, "500")
    book(alice, LAST, bank, sales, "1000")
    book(alice, THIS, rent, bank, "400")
    book(alice, TODAY + timedelta(days=20), bank, sales, "9999")
    found = shown(alice)
    worth = found["net_worth"]
    assert [point["amount"] for point in worth["history"]] == ["0.00", "0.00", "1000.00", "600.00"]
    assert (worth["now"]["amount"], worth["change"]["amount"]) == ("600.00", "600.00")
    flows = [(flow["month"], flow["income"]["amount"], flow["expense"]["amount"]) for flow in found["cash_flow"]]
    assert flows[1:] == [(LAST.isoformat(), "1000.00", "0.00"), (THIS.isoformat(), "0.00", "400.00")]
    assert found["savings_percent"] == 60
    cards = {card["name"]: card["balance"]["amount"] for card in found["accounts"]}
    assert cards == {"Bank": "1100.00", "Loan": "-500.00"}


def test_other_currencies_stand_by_themselves(cast: Cast) -> None:
    alice = cast.alice
    bank, sales = account(alice, "Yen", "asset", "JPY"), account(alice, "Sales", "income", "JPY")
    book(alice, THIS, bank, sales, "12345", "JPY")
    found = shown(alice)
    assert found["net_worth"]["now"]["amount"] == "0.00"
    assert [worth["now"] for worth in found["other_currencies"]] == [
        {"amount": "12345", "currency": "JPY", "amount_minor": 12345},
    ]
    assert found["other_cash_flows"]["JPY"][-1]["income"]["amount"] == "12345"
    page = alice.browser().get(f"/t/{cast.acme.slug}/").get_data(as_text=True)
    assert "¥12,345" in page


def test_the_page_and_the_api_tell_the_same_and_a_stranger_nothing(cast: Cast) -> None:
    alice = cast.alice
    bank, sales = account(alice, "Till <1>", "asset"), account(alice, "Sales", "income")
    book(alice, THIS, bank, sales, "77.70")
    page = alice.browser().get(f"/t/{cast.acme.slug}/?months=3").get_data(as_text=True)
    assert "€77.70" in page
    assert "Till &lt;1&gt;" in page
    assert "/members" in page, "the ways onward are there"
    assert cast.mallory.browser().get(f"/t/{cast.acme.slug}/").status_code == 404
    assert "77.70" not in cast.mallory.api("GET", "/dashboard").text


def test_an_odd_period_falls_back_on_the_page_and_is_refused_by_the_api(cast: Cast) -> None:
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/?months=13").status_code == 200
    assert cast.alice.api("GET", "/dashboard?months=13").status_code == 422


def test_an_empty_workspace_says_what_to_do(cast: Cast) -> None:
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/").get_data(as_text=True)
    assert "Nothing is booked yet" in page
    assert shown(cast.alice)["accounts"] == []


def test_the_demonstration_is_shown_fast_from_few_queries_that_touch_no_posting(cast: Cast) -> None:
    with cast.acme.begin() as session:
        tell_story(session=session, actor=cast.alice.actor, at=datetime.now(UTC), today=TODAY)
    statements: list[str] = []
    with cast.acme.begin() as session:
        engine = session.get_bind()
        listener = lambda *args: statements.append(args[2])  # noqa: E731 - it is removed again by identity
        event.listen(engine, "before_cursor_execute", listener)
        try:
            found = queries.dashboard(session=session, today=TODAY, months_count=12, base_currency="EUR")
        finally:
            event.remove(engine, "before_cursor_execute", listener)
    assert len(statements) <= 10
    assert not any("FROM posting" in statement or "JOIN posting" in statement for statement in statements)
    assert found.to_review > 0
    path, times = f"/t/{cast.acme.slug}/", []
    browser = cast.alice.browser()
    for _ in range(6):
        began = time.perf_counter()
        assert browser.get(path).status_code == 200
        times.append(time.perf_counter() - began)
    assert statistics.median(times) < 0.3


def test_an_account_that_was_reconciled_is_checked_until_something_is_booked_after(cast: Cast) -> None:
    alice = cast.alice
    bank, sales = account(alice, "Bank", "asset"), account(alice, "Sales", "income")
    day = TODAY - timedelta(days=3)
    entry = int(book(alice, day, bank, sales, "70").rpartition("/")[2])

    def freshness() -> tuple[str, str | None]:
        (card,) = [one for one in shown(alice)["accounts"] if one["account_id"] == bank]
        return card["freshness"], card["checked_on"]

    assert freshness() == ("unchecked", None)
    asked = {"date": day.isoformat(), "balance": "70.00"}
    path = f"/reconciliations/{alice.api('POST', f'/accounts/{bank}/reconciliations', json=asked).json['id']}"
    alice.api("POST", f"{path}/ticks", json={"entry_ids": [entry], "ticked": True})
    assert freshness() == ("unchecked", None)
    assert alice.api("POST", f"{path}/completion", json={}).status_code == 201
    assert freshness() == ("checked", day.isoformat())
    book(alice, TODAY, bank, sales, "1")
    assert freshness() == ("unchecked", day.isoformat())


def test_what_is_to_review_counts_down(cast: Cast) -> None:
    alice = cast.alice
    bank = account(alice, "Bank", "asset")
    with cast.acme.begin() as session:
        unsorted = ensure_purpose_account(
            session=session, actor=alice.actor, at=datetime.now(UTC), purpose=Purpose.TO_CATEGORISE, currency="EUR"
        )
    path = book(alice, THIS, unsorted, bank, "5")
    assert shown(alice)["to_review"] == 1
    found = alice.api("GET", path)
    deleted = alice.api("DELETE", path, headers={"If-Match": found.headers["ETag"]})
    assert deleted.status_code == 204
    assert shown(alice)["to_review"] == 0


def waiting_books(cast: Cast) -> tuple[int, int, list[str]]:
    """Book three payments to the same baker that wait for a category; return bank, bread and their paths."""
    bank, bread = account(cast.alice, "Bank", "asset"), account(cast.alice, "Bread", "expense")
    with cast.acme.begin() as session:
        unsorted = ensure_purpose_account(
            session=session,
            actor=cast.alice.actor,
            at=datetime.now(UTC),
            purpose=Purpose.TO_CATEGORISE,
            currency="EUR",
        )
    paths = []
    for amount in ("3", "4", "5"):
        lines = [
            {"account_id": unsorted, "amount": amount, "currency": "EUR"},
            {"account_id": bank, "amount": f"-{amount}", "currency": "EUR"},
        ]
        body = {"date": THIS.isoformat(), "description": "x", "counterparty": "Baker Lemaire", "postings": lines}
        paths.append(f"/entries/{cast.alice.api('POST', '/entries', json=body).json['id']}")
    return bank, bread, paths


def test_a_suggestion_is_accepted_on_the_card_counts_down_in_place_and_can_be_undone(cast: Cast) -> None:
    _bank, bread, paths = waiting_books(cast)
    page = f"/t/{cast.acme.slug}/"
    before = cast.alice.browser().get(page).text
    assert "3</strong>" in before
    assert "Categorise" in before, "nothing was learned yet"
    accepted = cast.alice.api("POST", f"/review{paths[0].removeprefix('/entries')}", json={"category_id": bread})
    assert (accepted.status_code, accepted.json["to_review"]) == (201, 2)
    found = cast.alice.api("GET", "/review").json
    assert [one["category_id"] for one in found["data"]] == [bread, bread]
    card = cast.alice.browser().get(page).text
    assert card.count(f'name="category_id" value="{bread}"') == 2
    parts = {"HX-Request": "true", "HX-Request-Type": "partial"}
    address = f"{page}review{paths[1].removeprefix('/entries')}"
    part = cast.alice.post(address, {"category_id": str(bread)}, headers=parts).text
    assert "<!doctype" not in part.lower()
    assert "1</strong>" in part
    assert "Categorised as Bread." in part
    undo = re.search(r'action="([^"]*/changes/[^"]*/undoing)"', part)
    assert undo is not None
    assert cast.alice.post(undo[1], {"q": ""}).status_code == 303
    assert shown(cast.alice)["to_review"] == 2
    again = cast.alice.browser().get(f"{page}review", headers=parts).text
    assert "2</strong>" in again


def test_the_card_works_without_scripts_and_refuses_what_does_not_wait(cast: Cast) -> None:
    bank, bread, paths = waiting_books(cast)
    page = f"/t/{cast.acme.slug}/"
    address = f"{page}review{paths[0].removeprefix('/entries')}"
    assert cast.carol.post(address, {"category_id": str(bread)}).status_code == 403
    assert cast.bob.post(address, {"category_id": str(bread)}).headers["Location"] == page
    assert cast.bob.post(address, {"category_id": str(bread)}).status_code == 409
    for category, status in ((bank + 10**6, 422), (0, 422)):
        assert (
            cast.bob.post(f"{page}review{paths[1].removeprefix('/entries')}", {"category_id": category}).status_code
            == status
        )
    assert cast.bob.post(f"{page}review/{10**9}", {"category_id": str(bread)}).status_code == 404
    assert "is:uncategorised" in cast.bob.browser().get(f"{page}review").headers["Location"]


def test_the_card_says_when_everything_has_its_category(cast: Cast) -> None:
    bank, sales = account(cast.alice, "Bank", "asset"), account(cast.alice, "Sales", "income")
    book(cast.alice, THIS, bank, sales, "10")
    assert "Everything has its category." in cast.alice.browser().get(f"/t/{cast.acme.slug}/").text


@pytest.mark.parametrize(
    ("values", "is_filled"), [((0, 5_000), True), ((-3_000, 5_000), True), ((4_000_000, 6_000_000), False)]
)
def test_an_area_stands_on_zero_or_is_not_there(app: Flask, values: tuple[int, int], is_filled: bool):
    points = [{"label": str(number), "value": value} for number, value in enumerate(values)]
    with app.test_request_context():
        drawn = app.jinja_env.get_template("components/chart.html").module.line_chart("one", "One", "", points, "EUR")
    assert ("chart__area" in drawn) == is_filled
    assert "chart__line" in drawn
