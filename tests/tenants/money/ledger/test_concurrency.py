"""Many at once, and crashes in the worst moment: every act happens once or not at all."""

import secrets
import threading
import time
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from tenants.money.ledger import commands as ledger
from tenants.money.ledger.commands import AlreadyReversed
from tenants.money.ledger.refusals import PeriodClosed
from tenants.money.periods import commands as periods
from tenants.money.periods.rules import ClosingDraft
from tests.cast import STAGE, Cast, Workspace
from tests.tenants.money.stage import AT, DAY, assert_books, draft_of, move, open_account, refused, together
from webapp.kernel.errors import Stale

JANUARY = ClosingDraft(date(2026, 1, 1), date(2026, 1, 31))
_KEEP = text("INSERT INTO idempotency (key, fingerprint, status, body, created_at) VALUES (:key, '', 201, '', now())")
_WAITS = text("""
    SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'comptoir_app' AND query LIKE :query
""")


@pytest.fixture
def accounts(cast: Cast) -> tuple[int, int]:
    """Return a bank account and an expense account."""
    return open_account(cast.acme, "Bank"), open_account(cast.acme, "Costs", "expense")


def body(accounts: tuple[int, int], amount: str = "1.00") -> dict[str, Any]:
    return {
        "date": DAY.isoformat(),
        "description": "Test",
        "postings": [
            {"account_id": accounts[0], "amount": f"-{amount}", "currency": "EUR"},
            {"account_id": accounts[1], "amount": amount, "currency": "EUR"},
        ],
    }


def count(where: Workspace) -> int:
    with where.begin() as session:
        return session.scalar(text("SELECT count(*) FROM entry")) or 0


def waiting(owner: Engine, query: str, thread: threading.Thread) -> int:
    """Wait until a statement waits for a lock, and return its backend."""
    end = time.monotonic() + 20
    while time.monotonic() < end and thread.is_alive():
        with owner.connect() as connection:
            if (pid := connection.scalar(_WAITS, {"query": query})) is not None:
                return int(pid)
        time.sleep(0.01)
    raise AssertionError(f"nothing waits in {query}")


def begun(act: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Begin an act in a thread of its own; the list gets what it returns or raises."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(act())
        except Exception as error:  # noqa: BLE001 - the test looks at what came
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_the_same_key_at_once_books_once(cast: Cast, accounts: tuple[int, int]) -> None:
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    answers = together(8, lambda _: cast.alice.api("POST", "/entries", json=body(accounts), headers=headers))
    assert {answer.status_code for answer in answers} <= {201, 409}, answers
    assert count(cast.acme) == 1
    booked = {answer.data for answer in answers if answer.status_code == 201}
    assert len(booked) == 1
    again = cast.alice.api("POST", "/entries", json=body(accounts), headers=headers)
    assert (again.status_code, again.data, again.headers["Idempotency-Replayed"]) == (201, booked.pop(), "true")
    assert again.headers["Location"].endswith(f"/entries/{again.json['id']}")
    assert_books(cast.acme)


def test_the_same_key_with_another_body_or_route_is_refused(cast: Cast, accounts: tuple[int, int]) -> None:
    headers = {"Idempotency-Key": "k"}
    made = cast.alice.api("POST", "/entries", json=body(accounts), headers=headers).json["id"]
    refused(
        cast.alice.api("POST", "/entries", json=body(accounts, "2.00"), headers=headers), 422, "idempotency_key_reused"
    )
    refused(
        cast.alice.api("POST", f"/entries/{made}/reversal", json={}, headers=headers), 422, "idempotency_key_reused"
    )
    assert count(cast.acme) == 1


def test_a_key_of_one_workspace_is_unknown_in_another(cast: Cast, accounts: tuple[int, int]) -> None:
    headers = {"Idempotency-Key": "k"}
    cast.alice.api("POST", "/entries", json=body(accounts), headers=headers)
    theirs = open_account(cast.bravo, "Bank"), open_account(cast.bravo, "Costs", "expense")
    answer = cast.mallory.api("POST", "/entries", json=body(theirs), headers=headers)
    assert answer.status_code == 201
    assert "Idempotency-Replayed" not in answer.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
def test_money_does_not_move_without_a_usable_key(cast: Cast, accounts: tuple[int, int], key: str) -> None:
    answer = cast.alice.api("POST", "/entries", json=body(accounts), headers={"Idempotency-Key": key})
    refused(answer, 400, "idempotency_key_missing")
    assert count(cast.acme) == 0


def test_a_key_in_flight_is_told(cast: Cast, accounts: tuple[int, int]) -> None:
    headers = {"Idempotency-Key": "busy"}
    with cast.acme.begin() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(hashtext(current_schema()), hashtext('busy'))"))
        refused(
            cast.alice.api("POST", "/entries", json=body(accounts), headers=headers), 409, "idempotency_key_in_flight"
        )
    assert cast.alice.api("POST", "/entries", json=body(accounts), headers=headers).status_code == 201


def test_a_refused_request_keeps_no_answer(cast: Cast, accounts: tuple[int, int]) -> None:
    headers = {"Idempotency-Key": "k"}
    wrong = body(accounts) | {"postings": body(accounts)["postings"][:1] * 2}
    assert cast.alice.api("POST", "/entries", json=wrong, headers=headers).status_code == 422
    assert cast.alice.api("POST", "/entries", json=body(accounts), headers=headers).status_code == 201


def test_who_comes_second_after_the_look_books_nothing(cast: Cast, owner: Engine, accounts: tuple[int, int]) -> None:
    with cast.acme.begin() as session:
        session.execute(_KEEP, {"key": "k"})
        thread, answers = begun(
            lambda: cast.alice.api("POST", "/entries", json=body(accounts), headers={"Idempotency-Key": "k"})
        )
        waiting(owner, "%INSERT INTO idempotency%", thread)
    thread.join(20)
    refused(answers[0], 409, "idempotency_key_in_flight")
    assert count(cast.acme) == 0


def test_a_crash_between_effect_and_answer_leaves_neither(
    cast: Cast,
    owner: Engine,
    accounts: tuple[int, int],
) -> None:
    headers = {"Idempotency-Key": "k"}
    with pytest.raises(InterruptedError), cast.acme.begin() as session:
        session.execute(_KEEP, {"key": "k"})
        thread, answers = begun(lambda: cast.alice.api("POST", "/entries", json=body(accounts), headers=headers))
        pid = waiting(owner, "%INSERT INTO idempotency%", thread)
        with owner.connect() as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        thread.join(20)
        raise InterruptedError
    assert answers[0].status_code == 503, answers
    assert count(cast.acme) == 0
    assert cast.alice.api("POST", "/entries", json=body(accounts), headers=headers).status_code == 201
    again = cast.alice.api("POST", "/entries", json=body(accounts), headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count(cast.acme) == 1
    assert_books(cast.acme)


def test_a_closing_waits_for_postings_in_flight(cast: Cast, owner: Engine, accounts: tuple[int, int]) -> None:
    def close() -> int:
        with cast.acme.begin() as session:
            return periods.close_period(session=session, actor=STAGE, at=AT, draft=JANUARY).id

    with cast.acme.begin() as session:
        ledger.post_entry(session=session, actor=STAGE, at=AT, draft=draft_of(*accounts, 1, date(2026, 1, 31)))
        thread, closed = begun(close)
        waiting(owner, "%pg_advisory_xact_lock%", thread)
    thread.join(20)
    assert isinstance(closed[0], int)
    assert count(cast.acme) == 1
    with pytest.raises(PeriodClosed):
        move(cast.acme, *accounts, 1, day=date(2026, 1, 31))


def test_a_posting_waits_for_a_closing_in_flight_and_is_refused(
    cast: Cast,
    owner: Engine,
    accounts: tuple[int, int],
) -> None:
    with cast.acme.begin() as session:
        periods.close_period(session=session, actor=STAGE, at=AT, draft=JANUARY)
        thread, results = begun(lambda: move(cast.acme, *accounts, 1, day=date(2026, 1, 31)))
        waiting(owner, "%INSERT INTO entry%", thread)
    thread.join(20)
    assert isinstance(results[0], PeriodClosed)
    assert count(cast.acme) == 0


_MORE = text("""
    INSERT INTO posting (entry_id, position, day, account_id, amount, currency)
    SELECT entry_id, position + 10, day, account_id, amount, currency FROM posting WHERE entry_id = :entry
""")


def more_postings(where: Workspace, entry_id: int) -> None:
    """Add postings to an entry behind the commands' back."""
    with where.begin() as session:
        session.execute(_MORE, {"entry": entry_id})


def test_a_posting_waits_for_the_lock_on_its_entry_and_is_refused(
    cast: Cast, owner: Engine, accounts: tuple[int, int]
) -> None:
    entry_id = move(cast.acme, *accounts, 500)
    with cast.acme.begin() as session:
        ledger.close_entry(session=session, actor=STAGE, at=AT, entry_id=entry_id)
        thread, results = begun(lambda: more_postings(cast.acme, entry_id))
        waiting(owner, "%INSERT INTO posting%", thread)
    thread.join(20)
    assert getattr(results[0].orig, "sqlstate", "") == "CB002", results
    assert_books(cast.acme)


def test_an_entry_with_a_posting_in_flight_is_not_deleted(cast: Cast, owner: Engine, accounts: tuple[int, int]) -> None:
    entry_id = move(cast.acme, *accounts, 500)

    def delete() -> None:
        with cast.acme.begin() as session:
            session.execute(text("DELETE FROM posting WHERE entry_id = :id"), {"id": entry_id})
            session.execute(text("DELETE FROM entry WHERE id = :id"), {"id": entry_id})

    with cast.acme.begin() as session:
        session.execute(_MORE, {"entry": entry_id})
        thread, results = begun(delete)
        waiting(owner, "%DELETE FROM%", thread)
    thread.join(20)
    assert getattr(results[0].orig, "sqlstate", "") == "23503", results
    assert_books(cast.acme)


def test_an_entry_is_reversed_once_whoever_asks_at_once(cast: Cast, accounts: tuple[int, int]) -> None:
    entry_id = move(cast.acme, *accounts, 500)

    def reverse(_number: int) -> int:
        with cast.acme.begin() as session:
            return ledger.reverse_entry(session=session, actor=STAGE, at=AT, entry_id=entry_id, day=DAY)

    results = together(8, reverse)
    assert sum(isinstance(result, int) for result in results) == 1, results
    assert sum(isinstance(result, AlreadyReversed) for result in results) == 7
    assert_books(cast.acme)


def test_of_two_changes_of_one_version_one_is_stale(cast: Cast, accounts: tuple[int, int]) -> None:
    entry_id = move(cast.acme, *accounts, 500)

    def edit(number: int) -> int:
        with cast.acme.begin() as session:
            return ledger.edit_entry(
                session=session,
                actor=STAGE,
                at=AT,
                change_id=uuid4(),
                entry_id=entry_id,
                version=1,
                draft=draft_of(*accounts, 501 + number),
            )

    results = together(6, edit)
    assert sum(result == 2 for result in results) == 1, results
    assert sum(isinstance(result, Stale) for result in results) == 5
    assert_books(cast.acme)


def test_changes_across_the_same_accounts_never_wait_in_a_ring(cast: Cast) -> None:
    seats = [open_account(cast.acme, f"Account {n}") for n in range(4)]
    entries = [move(cast.acme, seats[n % 4], seats[(n + 1) % 4], 100) for n in range(8)]

    def edit(number: int) -> str:
        for turn in range(1, 6):
            source, target = seats[(number * turn) % 4], seats[(number * turn + turn % 3 + 1) % 4]
            with cast.acme.begin() as session:
                ledger.edit_entry(
                    session=session,
                    actor=STAGE,
                    at=AT,
                    change_id=uuid4(),
                    entry_id=entries[number],
                    version=None,
                    draft=draft_of(source, target, 100 + turn),
                )
        return "done"

    assert together(8, edit) == ["done"] * 8
    assert_books(cast.acme)


def test_a_batch_is_all_or_nothing_or_each_for_itself(cast: Cast, accounts: tuple[int, int]) -> None:
    wrong = body(accounts) | {"postings": [{"account_id": 999, "amount": "1", "currency": "EUR"}] * 2}
    answer = cast.alice.api("POST", "/entries/batch", json={"entries": [body(accounts), wrong]})
    assert answer.status_code == 422
    assert count(cast.acme) == 0
    answer = cast.alice.api("POST", "/entries/batch", json={"entries": [body(accounts), wrong], "atomic": False})
    assert [item["status"] for item in answer.json["data"]] == [201, 422]
    assert count(cast.acme) == 1
    assert_books(cast.acme)
