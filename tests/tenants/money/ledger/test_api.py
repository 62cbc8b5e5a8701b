"""Entries over the JSON API."""

from typing import Any

from tests.cast import Cast


def opened(cast: Cast, **account: str) -> int:
    """Open an account and return its id."""
    answer = cast.alice.api("POST", "/accounts", json={"currency": "EUR", **account})
    assert answer.status_code == 201, answer.text
    return int(answer.json["id"])


def rent(cast: Cast, bank: int, amount: str) -> Any:
    """Book 850.00 from a bank against the given amount of rent."""
    against = opened(cast, name="Rent", kind="expense")
    postings = [
        {"account_id": bank, "amount": "-850.00", "currency": "EUR"},
        {"account_id": against, "amount": amount, "currency": "EUR"},
    ]
    body = {"date": "2026-01-31", "description": "Rent", "postings": postings}
    return cast.alice.api("POST", "/entries", json=body)


def test_a_balanced_entry_moves_both_balances(cast: Cast) -> None:
    bank = opened(cast, name="Bank", kind="asset")
    assert rent(cast, bank, "850").status_code == 201
    assert cast.alice.api("GET", f"/accounts/{bank}").json["balance"]["amount"] == "-850.00"


def test_an_unbalanced_entry_is_refused_at_its_field(cast: Cast) -> None:
    answer = rent(cast, opened(cast, name="Bank", kind="asset"), "849.99")
    assert answer.status_code == 422
    assert answer.json["errors"] == [
        {
            "pointer": "/postings",
            "code": "unbalanced",
            "detail": "The postings in EUR sum to -0.01, not to zero.",
        }
    ]


def test_an_auditor_reads_and_may_not_write(cast: Cast) -> None:
    assert cast.carol.api("GET", "/entries").status_code == 200
    answer = cast.carol.api("POST", "/accounts", json={"name": "X", "kind": "asset", "currency": "EUR"})
    assert answer.status_code == 403
    assert "auditor" in answer.json["detail"]
