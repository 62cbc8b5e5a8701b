"""Closed periods: nothing in them changes, and it is known who closed and who reopened them."""

import pytest

from tests.cast import Cast
from tests.tenants.money.stage import open_account, refused

JANUARY = {"starts": "2026-01-01", "ends": "2026-01-31", "note": "Accounts of January"}


def entry(bank: int, rent: int, day: str) -> dict[str, object]:
    return {
        "date": day,
        "description": "Rent",
        "postings": [
            {"account_id": bank, "amount": "-1.00", "currency": "EUR"},
            {"account_id": rent, "amount": "1.00", "currency": "EUR"},
        ],
    }


@pytest.fixture
def accounts(cast: Cast) -> tuple[int, int]:
    """Return a bank account and an expense account."""
    return open_account(cast.acme, "Bank"), open_account(cast.acme, "Rent", "expense")


def test_nothing_is_booked_changed_or_deleted_in_a_closed_period(cast: Cast, accounts: tuple[int, int]) -> None:
    made = cast.alice.api("POST", "/entries", json=entry(*accounts, "2026-01-15")).json
    later = cast.alice.api("POST", "/entries", json=entry(*accounts, "2026-02-01")).json
    answer = cast.dave.api("POST", "/period-closings", json=JANUARY)
    assert answer.status_code == 201, answer.text
    assert answer.json["closed_by"] == str(cast.dave.id)
    condition = {"If-Match": '"v1"'}
    path = f"/entries/{made['id']}"
    refused(cast.alice.api("POST", "/entries", json=entry(*accounts, "2026-01-31")), 409, "period_closed")
    refused(cast.alice.api("PUT", path, json=entry(*accounts, "2026-02-02"), headers=condition), 409, "period_closed")
    refused(cast.alice.api("DELETE", path, headers=condition), 409, "period_closed")
    refused(
        cast.alice.api("PUT", f"/entries/{later['id']}", json=entry(*accounts, "2026-01-02"), headers=condition),
        409,
        "period_closed",
    )
    assert cast.alice.api("POST", "/entries", json=entry(*accounts, "2026-02-01")).status_code == 201
    assert cast.alice.api("GET", path).json == made


def test_an_entry_of_a_closed_period_is_undone_after_it(cast: Cast, accounts: tuple[int, int]) -> None:
    made = cast.alice.api("POST", "/entries", json=entry(*accounts, "2026-01-15")).json
    cast.dave.api("POST", "/period-closings", json=JANUARY)
    path = f"/entries/{made['id']}/reversal"
    refused(cast.alice.api("POST", path, json={"date": "2026-01-31"}), 409, "period_closed")
    answer = cast.alice.api("POST", path, json={"date": "2026-02-01"})
    assert answer.status_code == 201
    assert answer.json["reverses_id"] == made["id"]


def test_a_reopened_period_takes_entries_again_and_both_acts_are_on_record(
    cast: Cast,
    accounts: tuple[int, int],
) -> None:
    closing_id = cast.dave.api("POST", "/period-closings", json=JANUARY).json["id"]
    path = f"/period-closings/{closing_id}/reopening"
    answer = cast.dave.api("POST", path)
    assert answer.status_code == 403
    assert answer.json["permission"] == "ledger:periods:reopen"
    answer = cast.alice.api("POST", path)
    assert answer.status_code == 201
    assert answer.json["reopened_by"] == str(cast.alice.id)
    assert cast.alice.api("POST", "/entries", json=entry(*accounts, "2026-01-15")).status_code == 201
    refused(cast.alice.api("POST", path), 409, "period_already_reopened")
    events = cast.alice.api("GET", "/audit-events").json["data"]
    acts = [(event["action"], event["actor_id"]) for event in events if event["object_type"] == "period_closing"]
    assert acts == [("period.reopened", str(cast.alice.id)), ("period.closed", str(cast.dave.id))]


def test_a_closed_day_is_not_closed_twice(cast: Cast) -> None:
    cast.dave.api("POST", "/period-closings", json=JANUARY)
    answer = cast.dave.api("POST", "/period-closings", json={"starts": "2026-01-31", "ends": "2026-02-28"})
    assert refused(answer, 409, "period_already_closed")
    assert "2026-01-01 to 2026-01-31" in answer.json["detail"]
    assert (
        cast.dave.api("POST", "/period-closings", json={"starts": "2026-02-01", "ends": "2026-02-28"}).status_code
        == 201
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"starts": "2026-02-01", "ends": "2026-01-31"}, "/ends"),
        ({"starts": "2026-02-30", "ends": "2026-03-31"}, "/starts"),
        ({"starts": "1026-02-01", "ends": "2026-03-31"}, "/starts"),
    ],
)
def test_what_is_wrong_with_a_closing_is_told_at_its_field(cast: Cast, body: dict[str, str], pointer: str) -> None:
    answer = cast.dave.api("POST", "/period-closings", json=body)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == pointer


def test_a_member_closes_nothing_and_an_auditor_sees_who_did(cast: Cast) -> None:
    assert cast.bob.api("POST", "/period-closings", json=JANUARY).status_code == 403
    cast.dave.api("POST", "/period-closings", json=JANUARY)
    assert [one["closed_by"] for one in cast.carol.api("GET", "/period-closings").json["data"]] == [str(cast.dave.id)]
    assert cast.mallory.api("GET", "/period-closings").json["data"] == []


def test_periods_by_the_pages(cast: Cast) -> None:
    home = f"/t/{cast.acme.slug}/period-closings"
    assert "No period is closed" in cast.alice.browser().get(home).get_data(as_text=True)
    answer = cast.dave.post(home, {"starts": "2026-01-01", "ends": "soon", "note": "Approved"})
    assert answer.status_code == 422
    assert 'value="Approved"' in answer.get_data(as_text=True)
    assert cast.dave.post(home, JANUARY).status_code == 303
    page = cast.alice.browser().get(home).get_data(as_text=True)
    assert "Accounts of January" in page
    assert "Dave" in page
    assert "Reopen" not in cast.dave.browser().get(home).get_data(as_text=True)
    closing_id = cast.alice.api("GET", "/period-closings").json["data"][0]["id"]
    assert cast.dave.post(f"{home}/{closing_id}/reopening").status_code == 403
    assert cast.alice.post(f"{home}/{closing_id}/reopening").status_code == 303
    assert "Reopened" in cast.alice.browser().get(home).get_data(as_text=True)
