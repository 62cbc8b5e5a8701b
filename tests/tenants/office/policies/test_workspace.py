"""Policies that decide over the workspace itself: versions like any store's, named in refusals, never over owners."""

import json
import re
from typing import Any

from flask import Flask
from sqlalchemy import text

from tenants.office.policies.access_api import bp as access_room
from tenants.office.policies.journal import JOURNAL
from tenants.office.policies.rules import RESERVED, WORKSPACE
from tests.cast import Cast, Person
from tests.tenants.office.policies.conftest import Store
from webapp.access.permissions import Permission
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY

NOTHING = '@id("nothing")\nforbid (principal, action, resource);\n'
EVERYTHING = '@id("everything")\npermit (principal, action, resource);\n'
CLOSED = '@id("closed-books")\nforbid (principal, action == Action::"ledger:accounts:write", resource);\n'
TILL = {"name": "Till", "kind": "asset", "currency": "EUR"}


def own(person: Person) -> Store:
    """Return the reserved store as one person sees it."""
    return Store(person, WORKSPACE)


def draft(person: Person, policies: str) -> int:
    """Write a draft and return its number."""
    made = own(person).draft(policies, "")
    assert made.status_code == 200, made.text
    return int(made.json["number"])


def activate(person: Person, number: int) -> Any:
    """Activate a version."""
    return own(person).api("POST", f"/versions/{number}/activation", json={})


def decide_by(person: Person, policies: str) -> None:
    """Let these policies decide."""
    assert activate(person, draft(person, policies)).status_code == 200


def open_account(person: Person, name: str) -> Any:
    """Do something that an accountant may."""
    return person.api("POST", "/accounts", json=TILL | {"name": name})


def test_a_policy_of_the_workspace_decides_is_named_and_is_replayed_and_rolled_back(cast: Cast, settings: Settings):
    alice, dave, store = cast.alice, cast.dave, own(cast.alice)
    fresh = store.api("GET").json
    assert (fresh["slug"], fresh["active"], fresh["draft"], fresh["revision"]) == (WORKSPACE, None, None, 0)
    with cast.acme.begin() as session:
        assert session.scalar(text("SELECT count(*) FROM policy_store")) == 0, "looking makes no row"
    decide_by(alice, "")
    assert open_account(dave, "Till").status_code == 201
    cast.app.extensions[JOURNAL].flush()
    recorded = store.api("GET", f"/decisions?subject_id={dave.id}").json["data"]
    assert (recorded[0]["action"], recorded[0]["policies"]) == ("ledger:accounts:write", ["accountant"])
    number = draft(alice, CLOSED)
    replayed = store.api("POST", "/replay", json={}).json
    assert (replayed["newly_denied"], replayed["newly_permitted"]) == (1, 0), replayed
    assert replayed["changed"][0]["policies"] == ["closed-books"]
    asked = {
        "subject": {"type": "Person", "id": str(dave.id)},
        "action": {"name": "ledger:accounts:write"},
        "resource": {"type": "Workspace", "id": "here"},
    }
    assert [store.api("POST", "/trial", json=asked | {"version": one}).json["decision"] for one in (1, 2)] == [
        True,
        False,
    ]
    assert open_account(dave, "Bank").status_code == 201, "a draft decides nothing"
    other = create_app(settings)
    try:
        assert _answers_of(other, dave) == 422
        assert activate(alice, number).status_code == 200
        assert _answers_of(other, dave) == 403, "another process decides by it at its next request"
    finally:
        other.extensions[JOURNAL].close()
        other.extensions[KEY].database.close()
    refused = open_account(dave, "Safe")
    assert (refused.status_code, refused.json["policies"]) == (403, ["closed-books"])
    assert "closed-books" in refused.json["detail"]
    page = dave.post(f"/t/{cast.acme.slug}/accounts", TILL)
    assert page.status_code == 403
    assert "The policy closed-books of this workspace forbids it." in page.text
    events = alice.api("GET", "/audit-events?action=access.refused").json["data"]
    assert "closed-books" in json.dumps(events[0]["difference"]), events[0]
    assert store.api("POST", "/rollback").json["number"] == 1
    assert open_account(dave, "Safe").status_code == 201


def _answers_of(app: Flask, person: Person) -> int:
    """Ask another process for what the policy forbids; an incomplete account is refused after the guard."""
    before, person.app = person.app, app
    try:
        return int(person.api("POST", "/accounts", json={}).status_code)
    finally:
        person.app = before


def test_nobody_locks_an_owner_out_and_nobody_makes_themselves_more_than_they_are(cast: Cast):
    alice, dave, slug = cast.alice, cast.dave, cast.acme.slug
    assert alice.api("PUT", f"/members/{dave.id}", json={"role": "admin"}).status_code == 200
    number = draft(dave, EVERYTHING)
    settings = {"name": "x", "four_eyes": False, "log_percent": 100, "log_days": 30}
    for refused in (
        activate(dave, number),
        own(dave).api("POST", "/rollback"),
        own(dave).api("PUT", json=settings),
    ):
        assert (refused.status_code, refused.json["permission"]) == (403, "policies:own:activate"), refused.text
    browser = dave.browser()
    token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get("/profile").text)[0]
    for path in (f"/versions/{number}/activation", "/rollback", ""):
        form = settings | {"csrf_token": token}
        assert browser.post(f"/t/{slug}/policies/{WORKSPACE}{path}", data=form).status_code == 403, path
    assert own(alice).api("PUT", json=settings | {"four_eyes": True}).json["name"] == "This workspace"
    assert activate(alice, number).status_code == 200, "an owner may, and four eyes were on it"
    assert open_account(cast.bob, "Till").status_code == 201
    made = cast.bob.api("POST", "/tokens", json={"name": "narrow", "scopes": ["ledger:read"], "days": 1}).json
    narrow = {"Authorization": f"Bearer {made['token']}"}
    beyond = cast.bob.api("POST", "/accounts", json=TILL, headers=narrow)
    assert (beyond.status_code, beyond.json["policies"]) == (403, ["token-scope"]), "no policy widens a token"
    alone = draft(alice, NOTHING)
    assert activate(alice, alone).json["code"] == "four_eyes"
    assert own(alice).api("PUT", json=settings).status_code == 200
    assert activate(alice, alone).status_code == 200
    for person in (dave, cast.bob, cast.carol):
        refused = person.api("GET", "/access/own")
        assert (refused.status_code, refused.json["policies"]) == (403, ["nothing"])
    assert set(alice.api("GET", "/access/own").json["permissions"]) == set(Permission), "owners are out of its reach"
    # A release after which an old policy cannot be read any more: closed to all but owners, who mend it.
    with cast.acme.begin() as session:
        session.execute(
            text("UPDATE policy_version SET policies = '@id(\"owner\") permit (principal, action, resource);'")
        )
    own(alice).api("PUT", json=settings | {"log_days": 31})
    assert cast.bob.api("GET", "/access/own").json["policies"] == ["unreadable-policies"]
    assert own(alice).api("POST", "/rollback").status_code == 422, "what cannot be read is not activated"
    decide_by(alice, "")
    assert cast.bob.api("GET", "/access/own").status_code == 200


def test_the_reserved_store_keeps_its_schema_its_name_and_its_place(cast: Cast):
    store, slug = own(cast.alice), cast.acme.slug
    for policies, line in (
        ('permit (principal, action == Action::"no:such:act", resource);', 1),
        ('@id("owner") permit (principal, action, resource);', 1),
        ('\n@id("own:desk") permit (principal, action, resource);', 2),
    ):
        wrong = store.draft(policies, "")
        assert (wrong.status_code, wrong.json["errors"][0]["pointer"]) == (422, f"/policies/{line}"), wrong.text
    other = store.draft("", "entity user;").json
    assert other["errors"][0]["pointer"] == "/schema_text"
    assert store.draft(CLOSED, store.draft(CLOSED, "").json["schema_text"]).status_code == 200
    assert store.api("DELETE").json["code"] == "own_store"
    assert store.api("POST", "/entities", json={"put": [{"type": "Person", "id": "x"}]}).json["code"] == "own_store"
    assert store.ask("evaluation", {}).status_code in {400, 404}, "nothing but the guard asks it"
    whole = store.api("GET", "/export").json
    assert whole["policies"] == CLOSED
    again = {"slug": WORKSPACE, "file": whole}
    assert cast.alice.api("POST", "/policy-store-imports", json=again).json["code"] == "draft_there"
    assert store.api("DELETE", "/draft").status_code == 204
    assert cast.alice.api("POST", "/policy-store-imports", json=again).json["draft"] == 1
    browser = cast.alice.browser()
    shown = browser.get(f"/t/{slug}/policies").text
    assert "Policies of this workspace" in shown
    for path in ("", "/draft", "/versions/1", "/versions/1/replay", "/decisions"):
        assert browser.get(f"/t/{slug}/policies/{WORKSPACE}{path}").status_code == 200, path
    tried = f"/bench?subject_type=Person&subject_id={cast.dave.id}&action=ledger:accounts:write"
    assert (
        "closed-books"
        in browser.get(f"/t/{slug}/policies/{WORKSPACE}{tried}&resource_type=Workspace&resource_id=here").text
    )
    for name in (WORKSPACE, *RESERVED):
        taken = cast.alice.api("POST", "/policy-stores", json={"slug": name, "name": "X"})
        assert taken.status_code in {409, 422}, name
        assert name in json.dumps(taken.json), "the reason names it"


def test_reading_and_taking_a_store_along_are_events_and_the_latter_asks_who_it_is(cast: Cast):
    store, slug = own(cast.alice), cast.acme.slug
    number, carol = draft(cast.alice, CLOSED), cast.carol.browser()
    pages = ["", f"/versions/{number}", "/export"]
    for path in pages:
        assert carol.get(f"/t/{slug}/policies/{WORKSPACE}{path}").status_code == 200, path
    assert Store(cast.carol, WORKSPACE).api("GET", f"/versions/{number}").status_code == 200
    carol.get(f"/t/{slug}/policies")
    assert store.api("GET", "/versions").status_code == 200, "a list tells no policies"
    found = cast.alice.api("GET", f"/audit-events?object_id={WORKSPACE}").json["data"]
    acts = [(one["action"], one["via"]) for one in found if one["actor"] == cast.carol.email]
    read, taken = ("policy_store.read", "session"), ("policy_store.exported", "session")
    assert acts == [("policy_store.read", "token"), taken, read, read]
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(
            text(
                "UPDATE platform.session SET confirmed_at = confirmed_at - interval '11 minutes' WHERE person_id = :id"
            ),
            {"id": cast.carol.id},
        )
    asked = carol.get(f"/t/{slug}/policies/{WORKSPACE}/export")
    assert (asked.status_code, "/confirm" in asked.headers["Location"]) == (303, True)


def test_every_word_beside_the_addresses_of_stores_is_reserved(app: Flask):
    found = set()
    for rule in app.url_map.iter_rules():
        for lead in ("/t/<slug>/access/", "/t/<slug>/policies/", "/api/v1/t/<slug>/access/"):
            word = rule.rule.removeprefix(lead).partition("/")[0]
            if rule.rule.startswith(lead) and not word.startswith("<"):
                found.add(word)
    assert access_room.url_prefix == "/t/<slug>/access/<store>/access/v1"
    assert found <= RESERVED, "a store of this name would have another page's address"


def test_a_trial_of_the_workspace_reads_or_refuses_whatever_is_said_and_tells_of_amounts(cast: Cast):
    limit = "when { context has amount && context.amount > 500 }"
    decide_by(
        cast.alice, f'@id("large") forbid (principal, action == Action::"ledger:entries:write", resource) {limit};'
    )
    asked = {
        "subject": {"type": "Person", "id": str(cast.dave.id)},
        "action": {"name": "ledger:entries:write"},
        "resource": {"type": "Workspace", "id": "here"},
    }
    for amount, decision in ((500, True), (501, False)):
        told = asked | {"context": {"currency": "EUR", "amount": amount}}
        answer = own(cast.alice).api("POST", "/trial", json=told).json
        assert (answer["decision"], answer["policies"]) == (decision, ["accountant"] if decision else ["large"])
    for context in (
        {"network": "nowhere"},
        {"scopes": [1]},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": 7},
        {"amount": 5},
        {"amount": True, "currency": "EUR"},
        {"amount": 5, "currency": []},
    ):
        answer = own(cast.alice).api("POST", "/trial", json=asked | {"context": context})
        assert (answer.status_code, answer.json["code"]) == (200, "property"), context
    odd = asked | {"subject": asked["subject"] | {"properties": {"own_roles": [[]]}}}
    assert own(cast.alice).api("POST", "/trial", json=odd).json["code"] == "property"
