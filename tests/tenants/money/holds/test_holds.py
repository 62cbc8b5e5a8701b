"""Money held on an account: it is not spent twice, whoever asks at the same time."""

import contextlib
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from tenants.money.holds import commands
from tenants.money.holds.rules import HoldDraft
from tenants.money.ledger.refusals import HoldSettled, OverdraftExceeded
from tests.cast import STAGE, Cast, Workspace
from tests.tenants.money.stage import AT, assert_books, balance, move, open_account, refused, together


@pytest.fixture
def accounts(cast: Cast) -> tuple[int, int]:
    """Return a bank account with 100.00 that may not go below zero, and an expense account."""
    bank = open_account(cast.acme, "Bank", overdraft_limit=0)
    rent, income = open_account(cast.acme, "Rent", "expense"), open_account(cast.acme, "Sales", "income")
    move(cast.acme, income, bank, 100_00)
    return bank, rent


def place(cast: Cast, account_id: int, amount: str, **more: object) -> object:
    body = {"account_id": account_id, "amount": amount, "currency": "EUR", **more}
    return cast.alice.api("POST", "/holds", json=body)


def test_what_is_held_is_not_available(cast: Cast, accounts: tuple[int, int]) -> None:
    answer = place(cast, accounts[0], "30.00", description="Deposit")
    assert answer.status_code == 201
    assert answer.json["state"] == "active"
    assert balance(cast.alice, accounts[0]) == {"balance": "100.00", "held": "30.00", "available": "70.00"}


def test_more_than_is_available_is_neither_held_nor_spent(cast: Cast, accounts: tuple[int, int]) -> None:
    place(cast, accounts[0], "30.00")
    refused(place(cast, accounts[0], "70.01"), 409, "overdraft_exceeded")
    with pytest.raises(OverdraftExceeded):
        move(cast.acme, *accounts, 70_01)
    move(cast.acme, *accounts, 70_00)
    assert balance(cast.alice, accounts[0])["available"] == "0.00"


def test_a_capture_books_what_was_held(cast: Cast, accounts: tuple[int, int]) -> None:
    bank, rent = accounts
    hold_id = place(cast, bank, "100.00", description="Deposit").json["id"]
    answer = cast.alice.api("POST", f"/holds/{hold_id}/capture", json={"to_account_id": rent, "date": "2026-11-20"})
    assert answer.status_code == 201, answer.text
    assert (answer.json["state"], answer.json["captured"]["amount"]) == ("captured", "100.00")
    entry = cast.alice.api("GET", f"/entries/{answer.json['entry_id']}").json
    assert [(p["account_id"], p["amount"]) for p in entry["postings"]] == [(bank, "-100.00"), (rent, "100.00")]
    assert balance(cast.alice, bank) == {"balance": "0.00", "held": "0.00", "available": "0.00"}
    assert_books(cast.acme)


def test_a_capture_of_a_part_releases_the_rest(cast: Cast, accounts: tuple[int, int]) -> None:
    hold_id = place(cast, accounts[0], "80.00").json["id"]
    body = {"to_account_id": accounts[1], "amount": "25.50"}
    assert cast.alice.api("POST", f"/holds/{hold_id}/capture", json=body).json["captured"]["amount"] == "25.50"
    assert balance(cast.alice, accounts[0]) == {"balance": "74.50", "held": "0.00", "available": "74.50"}


@pytest.mark.parametrize(("amount", "code"), [("80.01", "more_than_held"), ("0.00", "not_positive")])
def test_a_capture_takes_at_most_what_is_held(
    cast: Cast,
    accounts: tuple[int, int],
    amount: str,
    code: str,
) -> None:
    hold_id = place(cast, accounts[0], "80.00").json["id"]
    answer = cast.alice.api("POST", f"/holds/{hold_id}/capture", json={"to_account_id": accounts[1], "amount": amount})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == code


def test_a_settled_hold_stays_settled(cast: Cast, accounts: tuple[int, int]) -> None:
    hold_id = place(cast, accounts[0], "80.00").json["id"]
    assert cast.alice.api("POST", f"/holds/{hold_id}/release").json["state"] == "released"
    refused(cast.alice.api("POST", f"/holds/{hold_id}/release"), 409, "hold_settled")
    refused(
        cast.alice.api("POST", f"/holds/{hold_id}/capture", json={"to_account_id": accounts[1]}), 409, "hold_settled"
    )
    assert balance(cast.alice, accounts[0])["held"] == "0.00"


def test_a_hold_expires_when_its_time_is_over(cast: Cast, accounts: tuple[int, int]) -> None:
    with cast.acme.begin() as session:
        draft = HoldDraft(accounts[0], 80_00, "EUR", expires_at=AT + timedelta(hours=1))
        hold = commands.place_hold(session=session, actor=STAGE, at=AT, draft=draft, job_id=uuid4())
    with cast.acme.begin() as session:
        assert commands.expire_due(session=session, actor=STAGE, at=AT + timedelta(minutes=59)) == 0
    late = AT + timedelta(hours=1)
    with cast.acme.begin() as session, pytest.raises(HoldSettled):
        commands.capture_hold(
            session=session, actor=STAGE, at=late, hold_id=hold.id, to_account_id=accounts[1], day=late.date()
        )
    with cast.acme.begin() as session:
        assert commands.expire_due(session=session, actor=STAGE, at=late) == 1
    assert cast.alice.api("GET", f"/holds/{hold.id}").json["state"] == "expired"
    assert balance(cast.alice, accounts[0])["held"] == "0.00"


def test_a_job_is_due_when_the_hold_expires(cast: Cast, accounts: tuple[int, int]) -> None:
    expires_at = AT + timedelta(days=3)
    with cast.acme.begin() as session:
        commands.place_hold(
            session=session,
            actor=STAGE,
            at=AT,
            job_id=uuid4(),
            draft=HoldDraft(accounts[0], 1, "EUR", expires_at=expires_at),
        )
    with cast.app.extensions["comptoir"].database.platform() as session:
        query = text("SELECT available_at FROM job WHERE tenant_id = :id AND kind = 'holds.expire'")
        assert session.scalars(query, {"id": cast.acme.ref.id}).all() == [expires_at]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"account_id": 999}, "/account_id"),
        ({"amount": "0"}, "/amount"),
        ({"amount": "-1"}, "/amount"),
        ({"amount": "1.001"}, "/amount"),
        ({"currency": "USD"}, "/currency"),
        ({"currency": "XXY"}, "/currency"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "/expires_at"),
    ],
)
def test_what_is_wrong_with_a_hold_is_told_at_its_field(
    cast: Cast,
    accounts: tuple[int, int],
    change: dict[str, object],
    pointer: str,
) -> None:
    body = {"account_id": accounts[0], "amount": "1.00", "currency": "EUR"} | change
    answer = cast.alice.api("POST", "/holds", json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


def test_a_hold_of_another_workspace_does_not_exist(cast: Cast, accounts: tuple[int, int]) -> None:
    hold_id = place(cast, accounts[0], "1.00").json["id"]
    assert cast.mallory.api("GET", f"/holds/{hold_id}").status_code == 404
    assert cast.mallory.api("POST", f"/holds/{hold_id}/release").status_code == 404
    assert cast.alice.api("POST", f"/holds/{2**63}/release").status_code == 404, "no row has an id beyond the largest"
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/imports/{2**63}").status_code == 404


def test_an_auditor_sees_holds_and_places_none(cast: Cast, accounts: tuple[int, int]) -> None:
    place(cast, accounts[0], "1.00")
    assert len(cast.carol.api("GET", "/holds?state=active").json["data"]) == 1
    body = {"account_id": accounts[0], "amount": "1.00", "currency": "EUR"}
    assert cast.carol.api("POST", "/holds", json=body).status_code == 403


def test_holds_by_the_pages(cast: Cast, accounts: tuple[int, int]) -> None:
    slug, (bank, rent) = cast.acme.slug, accounts
    answer = cast.alice.post(f"/t/{slug}/holds", {"account_id": bank, "amount": "12,50", "description": "Hall <b>"})
    assert answer.status_code == 303
    page = cast.alice.browser().get(f"/t/{slug}/holds").get_data(as_text=True)
    assert "Hall &lt;b&gt;" in page
    assert "12.50" in page
    answer = cast.alice.post(f"/t/{slug}/holds", {"account_id": bank, "amount": "87.51"})
    assert answer.status_code == 422
    assert 'value="87.51"' in answer.get_data(as_text=True)
    hold_id = cast.alice.api("GET", "/holds").json["data"][0]["id"]
    answer = cast.alice.post(f"/t/{slug}/holds/{hold_id}/capture", {"to_account_id": rent, "amount": "99"})
    assert answer.status_code == 422
    answer = cast.alice.post(f"/t/{slug}/holds/{hold_id}/capture", {"to_account_id": rent})
    assert answer.status_code == 303
    assert "Captured" in cast.alice.browser().get(f"/t/{slug}/holds/{hold_id}").get_data(as_text=True)
    assert "Hall" in cast.alice.browser().get(f"/t/{slug}/holds?all=1").get_data(as_text=True)


def test_sixteen_at_once_never_pass_the_limit_and_never_wait_in_a_ring(cast: Cast, acme: Workspace) -> None:
    other, bank = open_account(acme, "Cash", overdraft_limit=50_00), open_account(acme, "Bank", overdraft_limit=0)
    cost, income = open_account(acme, "Costs", "expense"), open_account(acme, "Sales", "income")
    move(acme, income, bank, 100_00)

    def hold(account_id: int, minor: int) -> int:
        with acme.begin() as session:
            draft = HoldDraft(account_id, minor, "EUR")
            return commands.place_hold(session=session, actor=STAGE, at=AT, draft=draft, job_id=uuid4()).id

    def capture(hold_id: int, account_id: int, minor: int | None = None) -> None:
        with acme.begin() as session:
            commands.capture_hold(
                session=session,
                actor=STAGE,
                at=AT,
                hold_id=hold_id,
                day=AT.date(),
                to_account_id=account_id,
                minor=minor,
            )

    def act(number: int) -> str:
        source, target = (bank, other) if number % 2 else (other, bank)
        acts = (
            lambda: hold(bank, 7_00),
            lambda: move(acme, source, target, 9_00),
            lambda: capture(hold(target, 5_00), source),
            lambda: capture(hold(bank, 6_00), cost, 2_00),
        )
        for turn in range(6):
            with contextlib.suppress(OverdraftExceeded):
                acts[(number + turn) % 4]()
        return "done"

    assert together(16, act) == ["done"] * 16
    assert_books(acme)
