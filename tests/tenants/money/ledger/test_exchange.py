"""Exchanges: each currency sums to zero, the rate is kept as it was given."""

import pytest

from tenants.money.ledger.exchange import rate_of
from tests.cast import Cast
from tests.tenants.money.stage import assert_books, balance, open_account


def exchange(cast: Cast, source: int, target: int, **more: object) -> object:
    return cast.alice.api(
        "POST",
        "/exchanges",
        json={
            "date": "2026-11-20",
            "description": "Dollars",
            "from_account_id": source,
            "to_account_id": target,
            **more,
        },
    )


@pytest.fixture
def accounts(cast: Cast) -> tuple[int, int]:
    """Return an account in euros and one in dollars."""
    return open_account(cast.acme, "Bank"), open_account(cast.acme, "Dollars", currency="USD")


def test_an_exchange_goes_through_the_trading_accounts(cast: Cast, accounts: tuple[int, int]) -> None:
    answer = exchange(cast, *accounts, from_amount="100.00", to_amount="108.50", rate="1.0850")
    assert answer.status_code == 201, answer.text
    assert answer.json["rate"] == "1.0850"
    lines = [(p["amount"], p["currency"]) for p in answer.json["postings"]]
    assert lines == [("-100.00", "EUR"), ("100.00", "EUR"), ("-108.50", "USD"), ("108.50", "USD")]
    assert balance(cast.alice, accounts[0])["balance"] == "-100.00"
    assert balance(cast.alice, accounts[1])["balance"] == "108.50"
    trading = [a for a in cast.alice.api("GET", "/accounts").json["data"] if a["purpose"] == "trading"]
    assert {(a["currency"], a["balance"]["amount"]) for a in trading} == {("EUR", "100.00"), ("USD", "-108.50")}
    assert_books(cast.acme)


def test_what_arrives_is_worked_out_from_the_rate_and_rounded_once(cast: Cast, accounts: tuple[int, int]) -> None:
    answer = exchange(cast, *accounts, from_amount="0.01", rate="1.5")
    assert answer.json["postings"][3]["amount"] == "0.02"
    answer = exchange(cast, *accounts, from_amount="0.03", rate="1.5")
    assert answer.json["postings"][3]["amount"] == "0.04"


def test_the_rate_is_worked_out_from_the_amounts(cast: Cast, accounts: tuple[int, int]) -> None:
    assert exchange(cast, *accounts, from_amount="3.00", to_amount="1.00").json["rate"] == "0.333333333333"


def test_the_trading_accounts_are_opened_once(cast: Cast, accounts: tuple[int, int]) -> None:
    for _ in range(2):
        exchange(cast, *accounts, from_amount="1.00", rate="2")
    assert sum(a["purpose"] == "trading" for a in cast.alice.api("GET", "/accounts").json["data"]) == 2


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"from_amount": "1.00"}, "/to_amount"),
        ({"from_amount": "0", "to_amount": "1"}, "/from_amount"),
        ({"from_amount": "-1", "to_amount": "1"}, "/from_amount"),
        ({"from_amount": "1.00", "to_amount": "1.001"}, "/to_amount"),
        ({"from_amount": "1.00", "rate": "0"}, "/rate"),
        ({"from_amount": "1.00", "rate": "1e9"}, "/rate"),
        ({"from_amount": "0.01", "rate": "0.000000000001"}, "/rate"),
        ({"from_amount": "1.00", "rate": "2", "to_account_id": 999}, "/to_account_id"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(
    cast: Cast,
    accounts: tuple[int, int],
    more: dict[str, object],
    pointer: str,
) -> None:
    answer = (
        exchange(cast, *accounts, **more)
        if "to_account_id" not in more
        else cast.alice.api(
            "POST", "/exchanges", json={"date": "2026-11-20", "description": "", "from_account_id": accounts[0], **more}
        )
    )
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_the_same_currency_is_no_exchange(cast: Cast, accounts: tuple[int, int]) -> None:
    answer = exchange(cast, accounts[0], accounts[0], from_amount="1.00", rate="2")
    assert answer.json["errors"][0]["pointer"] == "/to_account_id"


@pytest.mark.parametrize(
    ("first", "source", "second", "target", "rate"),
    [
        (100, "EUR", 16000, "JPY", "16000"),
        (1000, "TND", 100, "EUR", "1"),
        (300, "EUR", 200, "USD", "0.666666666667"),
    ],
)
def test_rates_know_the_decimals_of_both_currencies(
    first: int,
    source: str,
    second: int,
    target: str,
    rate: str,
) -> None:
    assert rate_of(first, source, second, target) == rate
