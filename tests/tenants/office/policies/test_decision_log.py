"""The decision log is written beside the decisions, bounded, and kept for a set time."""

from dataclasses import replace
from datetime import timedelta
from time import monotonic
from uuid import uuid4

from flask import Flask
from sqlalchemy import text

from tenants.demo import certification
from tenants.office.policies.journal import JOURNAL, Journal, Line
from tenants.office.policies.keeping import begin_round, forget_decisions
from tenants.office.policies.rules import Answer, Code, Party, Question
from tests.cast import Cast
from tests.tenants.office.policies.conftest import make_store
from webapp.kernel.clock import utc_now
from webapp.kernel.db import Database, TenantRef
from webapp.web.state import KEY

QUESTION = Question(Party("user", "alice"), "read", Party("record", "record-1", {"status": "active"}))


def line(tenant: TenantRef, store_id: int = 1, days: int = 0) -> Line:
    """Write a line so many days ago."""
    at = utc_now() - timedelta(days=days)
    answer = Answer(permit=True, code=Code.PERMITTED, policies=("readers-read",), microseconds=7)
    return Line(tenant, store_id, uuid4(), at, 1, QUESTION, answer, uuid4(), "request")


def test_a_full_queue_drops_and_counts_and_never_waits(app: Flask, database: Database):
    nowhere = TenantRef(uuid4())
    journal = Journal(database, queue_max=10)
    with journal._flushing:
        began = monotonic()
        for _ in range(1000):
            journal.put(line(nowhere), percent=100)
        assert monotonic() - began < 1
        assert journal.dropped == 990
    journal.close()
    assert (journal.written, journal.dropped) == (0, 1000), "what cannot be written is counted too"
    journal.put(line(nowhere), percent=100)
    assert journal.dropped == 1001
    sample = Journal(database, chance=iter([0.29, 0.3, 0.31, 0.99]).__next__)
    for _ in range(4):
        sample.put(line(nowhere), percent=30)
    sample.close()
    assert sample.dropped == 1, "of four decisions one is recorded where 30 percent are wanted"


def test_decisions_are_forgotten_when_their_time_is_over(cast: Cast, database: Database):
    store = make_store(cast.alice)
    journal = Journal(database)
    with cast.acme.begin() as session:
        store_id = session.scalar(text("SELECT id FROM policy_store"))
    for days in (0, 29, 31, 400):
        journal.put(line(cast.acme.ref, store_id, days), percent=100)
    journal.put(line(cast.acme.ref, store_id + 1), percent=100)
    journal.close()
    found = store.api("GET", "/decisions?subject_id=alice&resource_id=record-1&action=read&decision=true").json["data"]
    assert len(found) == 4, "a line of a store that is gone goes nowhere"
    assert found[0]["told"] == {"resource": {"status": "active"}}
    assert len(store.api("GET", f"/decisions?decision_id={found[0]['decision_id']}").json["data"]) == 1
    with cast.acme.begin() as session:
        assert begin_round(session=session, at=utc_now())
        assert not begin_round(session=session, at=utc_now()), "one chain of rounds is enough"
        assert forget_decisions(session=session, at=utc_now()) == 2
    assert len(store.api("GET", "/decisions").json["data"]) == 2
    assert store.person.app.extensions[JOURNAL].dropped == 0
    with database.platform() as session:
        kinds = session.scalars(text("SELECT kind FROM job WHERE tenant_id = :id"), {"id": cast.acme.ref.id}).all()
    assert kinds == ["policies.forget"]


def test_searches_are_recorded_reasons_are_told_in_the_language_asked_for_and_a_limit_holds(cast: Cast):
    store = make_store(cast.alice)
    asked = {"subject": {"type": "user", "id": "nobody"}, "action": {"name": "read"}}
    one = asked | {"resource": {"type": "record", "id": "record-1"}}
    french = store.ask("evaluation", one, **{"Accept-Language": "fr"}).json["context"]
    assert french["reason_admin"] == {"en": "No policy permits it."} == {"en": french["reason"]}
    assert french["reason_user"] == {"fr": "Aucune règle d’accès ne le permet."}
    assert "reason_user" not in store.ask("evaluation", one).json["context"], "programs read the code"
    assert store.ask("search/resource", asked | {"resource": {"type": "record"}}).json["results"] == []
    cast.app.extensions[JOURNAL].flush()
    recorded = store.api("GET", "/decisions?subject_id=nobody").json["data"]
    told = sorted((row["code"], row["policies"]) for row in recorded)
    assert told == [("not_permitted", []), ("not_permitted", []), ("searched", ["resource: 0"])]
    store.draft(certification.POLICIES)
    assert store.api("POST", "/replay", json={}).json["asked"] == 2, "a search decides nothing"
    before = cast.app.extensions[KEY]
    limited = replace(before.settings, evaluations_per_minute=2)
    cast.app.extensions[KEY] = replace(before, settings=limited)
    try:
        answers = [store.ask("evaluation", one) for _ in range(3)]
    finally:
        cast.app.extensions[KEY] = before
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit-Policy"] == '"eval";q=2;w=60'


def test_nobody_keeps_decisions_out_of_the_log_or_fills_it_by_what_they_say(cast: Cast):
    store = make_store(cast.alice)
    said = '{"subject":{"type":"user","id":"%s"},"action":{"name":"read"},"resource":{"type":"record","id":"1"}%s}'
    # What the database cannot keep would take every decision that is written with it along.
    for told in (',"context":{"n":1e400}', ',"context":{"n":-1e400}'):
        assert store.ask("evaluation", (said % ("x", told)).encode()).status_code == 400, told
    for name in ("\\u0000", "\\ud800"):
        assert store.ask("evaluation", (said % (name, "")).encode("utf-16")).status_code == 400, name
    # A thousand evaluations would each be kept with what they share.
    large = {"subject": {"type": "user", "id": "x"}, "context": {"n": "x" * 20_000}}
    refused = store.ask("evaluations", large | {"evaluations": [{}] * 1_000})
    assert (refused.status_code, "context" in refused.json["detail"]) == (400, True)
    assert store.ask("evaluations", {"evaluations": [large] * 2}).status_code == 400
    assert store.ask("evaluation", said.encode() % (b"last", b"")).status_code == 200
    journal = store.person.app.extensions[JOURNAL]
    journal.flush()
    assert [one["subject"]["id"] for one in store.api("GET", "/decisions").json["data"]] == ["last"]
