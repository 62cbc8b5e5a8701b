"""Recorded decisions asked again: few at once, many by a job; what was found stays with its version."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tenants.office.policies import replays
from tenants.office.policies.journal import JOURNAL
from tests.cast import Cast
from tests.furnished import work
from tests.tenants.money.stage import open_account
from tests.tenants.office.policies.conftest import Store
from tests.tenants.office.policies.test_administration import ASKED, STRICTER
from tests.tenants.office.policies.test_workspace import own


def test_many_decisions_are_asked_again_by_a_job_whose_answer_stays_with_its_version(
    cast: Cast, store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(replays, "AT_ONCE_MAX", 2)
    for _again in range(3):
        assert store.ask("evaluation", ASKED).json["decision"] is True
    cast.app.extensions[JOURNAL].flush()
    store.draft(STRICTER)
    where, page = "/versions/2/replay", f"/t/{cast.acme.slug}/policies/{store.slug}/versions/2"
    assert store.api("GET", where).status_code == 404
    begun = store.api("POST", "/replay", json={})
    assert (begun.status_code, begun.json["state"], begun.json["asked"]) == (202, "queued", None), begun.text
    assert begun.headers["Location"].endswith(f"/jobs/{begun.json['job_id']}")
    assert store.api("POST", "/replay", json={}).json["job_id"] == begun.json["job_id"], "one at a time"
    browser = cast.alice.browser()
    assert "Waiting for a worker" in browser.get(f"{page}/replay").text
    assert "Under way" in browser.get(page).text
    work(cast.acme)
    job = cast.alice.api("GET", f"/jobs/{begun.json['job_id']}").json
    assert (job["kind"], job["state"], job["done"], job["total"]) == (replays.REPLAY, "done", 1, 1)
    found = store.api("GET", where).json
    assert (found["state"], found["asked"], found["newly_denied"], found["newly_permitted"]) == ("done", 3, 3, 0)
    assert [one["policies"] for one in found["changed"]] == [["closed"]] * 3
    shown = browser.get(f"{page}/replay").text
    assert "1 minute ago" in shown
    assert shown.count("Forbidden by closed.") == 3
    assert "3 of 3 recorded decisions would change" in browser.get(page).text
    # The log forgets in its time, and what the replay kept tells no more of them than how many there were.
    with cast.acme.begin() as session:
        session.execute(text("DELETE FROM policy_decision"))
    found = store.api("GET", where).json
    assert (found["newly_denied"], found["changed"]) == (3, [])
    # A draft that is written anew was not replayed, nor does a job that was asked of another text write into it.
    with cast.acme.begin() as session:
        session.execute(text("UPDATE policy_version SET replayed_at = NULL, replay = NULL WHERE number = 2"))
    store.draft(STRICTER)
    with cast.acme.begin() as session:
        asked = {"slug": store.slug, "number": 2, "job_id": begun.json["job_id"]}
        replays.finish(session=session, clock=lambda: datetime.now(UTC), beat=lambda _done, _total: None, **asked)
    assert store.api("GET", where).status_code == 404


def test_what_is_permitted_on_certain_accounts_only_is_asked_again_as_it_was_asked(cast: Cast):
    alice, carol, acme = cast.alice, cast.carol, cast.acme
    assert alice.api("PUT", f"/members/{carol.id}", json={"role": "customer"}).status_code == 200
    carol.api("GET", "/accounts")
    ids = {name: open_account(acme, name) for name in ("Bank", "Till", "Rent")}
    until = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for permission in ("ledger:accounts:read", "ledger:entries:read", "ledger:entries:write"):
        grant = {"person_id": str(carol.id), "permissions": [permission], "until": until, "note": "till"}
        given = alice.api("POST", "/access/grants", json=grant | {"conditions": {"account_id": ids["Till"]}})
        assert given.status_code == 201, given.text
    same = own(alice)
    assert same.draft("", "").status_code == 200
    assert same.api("POST", "/versions/1/activation", json={}).status_code == 200
    assert carol.api("GET", "/accounts").status_code == 200
    assert carol.api("GET", "/holds").status_code == 403, "what is of all accounts is not of some"
    postings = [
        {"account_id": ids["Till"], "amount": "5.00", "currency": "EUR"},
        {"account_id": ids["Bank"], "amount": "-5.00", "currency": "EUR"},
    ]
    move_out = {"date": "2026-03-01", "description": "Out", "postings": postings}
    assert carol.api("POST", "/entries", json=move_out).status_code == 403, "one of them is not hers"
    cast.app.extensions[JOURNAL].flush()
    recorded = same.api("GET", f"/decisions?subject_id={carol.id}").json["data"]
    assert [one["decision"] for one in recorded].count(False) >= 2, recorded
    replayed = same.api("POST", "/replay", json={"version": 1}).json
    assert replayed["asked"] >= 4
    assert replayed["changed"] == [], "the policies are the same, and so are the answers"
