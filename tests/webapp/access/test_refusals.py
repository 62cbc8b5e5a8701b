"""A refusal can be traced: page, problem document, trail and log name the same decision; none is stale."""

import re

from sqlalchemy import text

from tests.cast import Cast
from webapp.access.door import LISTENERS
from webapp.access.rulebook import TALLY
from webapp.web import logs


def events(cast: Cast) -> list[dict[str, object]]:
    found: list[dict[str, object]] = cast.alice.api("GET", "/audit-events?action=access.refused").json["data"]
    return found


def test_every_refusal_names_its_decision_on_the_page_in_the_problem_and_in_the_trail(cast: Cast):
    heard, lines = [], []
    logs._LINE.insert(0, lambda _logger, _name, line: lines.append(dict(line)) or line)
    listeners = cast.app.extensions[LISTENERS]
    listeners.append(lambda decision, asker, tenant: heard.append((decision, asker, tenant)))
    try:
        problem = cast.carol.api("POST", "/accounts", json={"name": "Till", "kind": "asset", "currency": "EUR"})
        page = cast.bob.post(f"/t/{cast.acme.slug}/members/{cast.bob.id}/role", {"role": "owner"})
        permitted = cast.alice.api("POST", "/accounts", json={"name": "Bank", "kind": "asset", "currency": "EUR"})
    finally:
        listeners.pop()
        del logs._LINE[0]
    assert (problem.status_code, page.status_code, permitted.status_code) == (403, 403, 201)
    told = problem.json
    assert "auditor" in told["detail"]
    assert (told["policies"], told["missing"]) == ([], [])
    refused = events(cast)
    assert [one["decision_id"] for one in refused][-1] == told["decision_id"]
    assert str(refused[0]["decision_id"]) in page.text
    assert "No policy permits it to you." in page.text
    assert "Your role here is auditor. It does not include “Open and change accounts”." in told["detail"]
    assert told["permission"] == "ledger:accounts:write"
    sentence, _, detail = page.text.partition('<div class="trouble">')[2].partition("<details")
    assert "“Invite, change and remove members”" in sentence
    assert "members:members:write" not in sentence and "members:members:write" in detail
    assert refused[-1]["object_id"] == "ledger:accounts:write"
    assert refused[-1]["actor"] == cast.carol.email
    assert {one["decision_id"] for one in lines if one["event"] == "access.refused"} == {
        one["decision_id"] for one in refused
    }
    opened = cast.alice.api("GET", "/audit-events?action=account.opened").json["data"][0]
    by_id = {decision.id: decision for decision, _asker, _tenant in heard}
    assert by_id[opened["decision_id"]].policies == ("owner",)
    assert all(tenant.slug == cast.acme.slug for _decision, _asker, tenant in heard)


def test_a_token_without_the_scope_is_refused_by_the_policy_of_tokens(cast: Cast):
    made = cast.alice.api("POST", "/tokens", json={"name": "narrow", "scopes": ["ledger:read"], "days": 1}).json
    headers = {"Authorization": f"Bearer {made['token']}"}
    body = {"name": "Till", "kind": "asset", "currency": "EUR"}
    assert cast.alice.api("GET", "/accounts", headers=headers).status_code == 200
    refused = cast.alice.api("POST", "/accounts", json=body, headers=headers)
    assert refused.status_code == 403
    assert refused.json["policies"] == ["token-scope"]
    assert "ledger:write" in refused.json["detail"]


def test_a_role_that_was_taken_away_is_refused_at_the_next_request_although_permits_are_remembered(cast: Cast):
    body = {"name": "Till", "kind": "asset", "currency": "EUR"}
    for number in range(3):
        assert cast.dave.api("POST", "/accounts", json=body | {"name": f"Till {number}"}).status_code == 201
    before = TALLY.remembered
    assert cast.dave.api("GET", "/accounts").status_code == 200
    assert cast.dave.api("GET", "/accounts").status_code == 200
    assert TALLY.remembered > before, "permits are remembered"
    # Behind the back of this process, as another one would.
    with cast.app.extensions["comptoir"].database.platform() as session:
        session.execute(
            text("UPDATE platform.membership SET role = 'customer' WHERE person_id = :person"), {"person": cast.dave.id}
        )
    assert cast.dave.api("POST", "/accounts", json=body).status_code == 403
    assert cast.dave.api("GET", "/accounts").status_code == 403


def test_an_admin_does_everything_but_decide_over_owners(cast: Cast):
    assert cast.alice.api("PUT", f"/members/{cast.dave.id}", json={"role": "admin"}).status_code == 200
    assert cast.dave.api("PUT", f"/members/{cast.bob.id}", json={"role": "technician"}).status_code == 200
    for method, path, body in (
        ("PUT", f"/members/{cast.alice.id}", {"role": "member"}),
        ("PUT", f"/members/{cast.bob.id}", {"role": "owner"}),
        ("DELETE", f"/members/{cast.alice.id}", None),
        ("POST", "/invitations", {"email": "new@example.org", "role": "owner"}),
    ):
        refused = cast.dave.api(method, path, json=body)
        assert refused.status_code == 403, (method, path)
        assert refused.json["permission"] == "members:owners:write"
    slug = cast.acme.slug
    assert cast.dave.post(f"/t/{slug}/members/{cast.alice.id}/removal").status_code == 403
    shown = cast.dave.browser().get(f"/t/{slug}/members").text
    assert 'value="owner"' not in shown
    assert f"/members/{cast.alice.id}/role" not in shown
    assert {row["role"] for row in cast.dave.api("GET", "/members").json["data"]} == {
        "owner",
        "admin",
        "technician",
        "auditor",
    }
    client = cast.bob.browser()
    begins = client.get(f"/t/{slug}/")
    assert begins.status_code == 303, "who may not see the books begins elsewhere"
    assert re.search(r"/t/[^/]+/\w+", begins.headers["Location"])
    assert client.get(begins.headers["Location"]).status_code == 200
