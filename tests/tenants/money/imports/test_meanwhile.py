"""What happens to an import when somebody changes its entries in the same moment, or between two of its steps."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from tenants.money.ledger import queries
from tenants.money.ledger.commands import draft_of, edit_entry
from webapp.kernel.clock import utc_now
from webapp.kernel.ids import new_id

HEADER = "Date,Payee,Description,Amount,Currency\n"
RENT = HEADER + "2026-03-02,Landlord,Rent,-850.00,EUR\n"


def test_an_undo_waits_for_an_entry_that_is_being_edited_and_leaves_it_whole(desk: Any) -> None:
    found = desk.bring(RENT, publish="auto")
    entry_id = desk.sql("SELECT id FROM entry")
    assert desk.alice.api("POST", f"/imports/{found['id']}/reversal").status_code == 202
    undoing = threading.Thread(target=desk.work)

    with desk.cast.acme.begin() as session:
        before = queries.entry(session=session, entry_id=entry_id)
        assert before is not None
        edit_entry(
            session=session,
            actor=desk.alice.actor,
            at=utc_now(),
            change_id=new_id(),
            entry_id=entry_id,
            version=None,
            draft=replace(draft_of(before), note="Mine"),
        )
        undoing.start()
        await_a_waiter(desk)
    undoing.join()

    left = desk.alice.api("GET", f"/entries/{entry_id}").json
    assert (desk.get(found["id"])["state"], left["note"], len(left["postings"])) == ("reversed", "Mine", 2)
    assert desk.balance(desk.account()) == "-850.00"


def await_a_waiter(desk: Any) -> None:
    """Wait until a transaction waits for what another one holds."""
    with desk.database.platform() as session:
        for _ in range(500):
            if session.scalar(text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")):
                return
            session.execute(text("SELECT pg_sleep(0.02)"))
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("act", ["delete", "reverse"])
def test_a_row_merged_into_an_entry_that_is_gone_since_is_booked_by_itself(desk: Any, act: str) -> None:
    bank = desk.account()
    entry_id = desk.post(bank, "-850.00", "2026-03-01", "Rent", "Landlord")
    found = desk.bring(RENT)
    assert desk.act(found["id"], "decisions", {"decision": "merge"}).status_code == 200
    if act == "delete":
        answer = desk.alice.api("DELETE", f"/entries/{entry_id}", headers={"If-Match": '"v1"'})
    else:
        answer = desk.alice.api("POST", f"/entries/{entry_id}/reversal", json={"date": "2026-03-03"})
    assert answer.status_code in {201, 204}

    desk.act(found["id"], "publication")

    counts = desk.get(found["id"])["counts"]
    assert (counts["published"], counts["merged"]) == (1, 0)
    assert desk.balance(bank) == "-850.00"
    assert desk.bring(RENT)["counts"]["duplicate"] == 1
