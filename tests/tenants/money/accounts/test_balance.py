"""The balance of an account as of any day, over the JSON API."""

import pytest

from tests.cast import Cast

EUR = {"currency": "EUR"}


@pytest.fixture
def bank(cast: Cast) -> int:
    """Return an account that took 100.00 on the 1st, gave 30.50 on the 10th and will take 5.00 on a day to come."""
    made = cast.alice.api("POST", "/accounts", json={"name": "Bank", "kind": "asset", **EUR}).json["id"]
    other = cast.alice.api("POST", "/accounts", json={"name": "Other", "kind": "income", **EUR}).json["id"]
    for day, amount, against in (
        ("2026-11-01", "100.00", "-100.00"),
        ("2026-11-10", "-30.50", "30.50"),
        ("2999-01-01", "5.00", "-5.00"),
    ):
        lines = [{"account_id": made, "amount": amount, **EUR}, {"account_id": other, "amount": against, **EUR}]
        body = {"date": day, "description": "x", "postings": lines}
        assert cast.alice.api("POST", "/entries", json=body).status_code == 201
    return int(made)


@pytest.mark.parametrize(
    ("on", "amount", "minor"),
    [
        ("2026-10-31", "0.00", 0),
        ("2026-11-01", "100.00", 10000),
        ("2026-11-09", "100.00", 10000),
        ("2026-11-10", "69.50", 6950),
        ("2998-12-31", "69.50", 6950),
        ("2999-01-01", "74.50", 7450),
    ],
)
def test_a_balance_is_that_of_the_end_of_the_day(cast: Cast, bank: int, on: str, amount: str, minor: int):
    answer = cast.carol.api("GET", f"/accounts/{bank}/balance?on={on}")
    assert answer.status_code == 200
    assert answer.json == {
        "account_id": bank,
        "on": on,
        "balance": {"amount": amount, "currency": "EUR", "amount_minor": minor},
    }


def test_without_a_day_it_is_that_of_today(cast: Cast, bank: int):
    told = cast.alice.api("GET", f"/accounts/{bank}/balance").json
    assert told["balance"]["amount"] == "69.50"
    # The present balance holds what is booked for days to come, too.
    assert cast.alice.api("GET", f"/accounts/{bank}").json["balance"]["amount"] == "74.50"


@pytest.mark.parametrize("on", ["2026-02-30", "1", "20261101", "2026-11-01T00:00:00", "today", ""])
def test_what_is_no_day_is_refused(cast: Cast, bank: int, on: str):
    answer = cast.alice.api("GET", f"/accounts/{bank}/balance?on={on}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/on")


def test_an_unknown_account_and_one_of_another_workspace_have_none(cast: Cast, bank: int):
    assert cast.alice.api("GET", "/accounts/999/balance").status_code == 404
    assert cast.mallory.api("GET", f"/accounts/{bank}/balance").status_code == 404
