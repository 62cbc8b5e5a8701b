"""Ways by which somebody who may something could come to may more: none of them leads anywhere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import Engine

from tests.cast import Cast, Person, make_workspace
from tests.tenants.money.stage import open_account
from webapp.access.asker import Asker
from webapp.access.guard import decide
from webapp.access.permissions import Permission, Role
from webapp.access.product import with_own
from webapp.access.rulebook import Rulebook

UNTIL = (datetime.now(UTC) + timedelta(days=30)).isoformat()
READ = Permission.LEDGER_ENTRIES_READ


def let(alice: Person, policies: str) -> None:
    """Let policies decide over the workspace."""
    number = alice.api("PUT", "/policy-stores/workspace/draft", json={"schema_text": "", "policies": policies}).json[
        "number"
    ]
    done = alice.api("POST", f"/policy-stores/workspace/versions/{number}/activation", json={})
    assert done.status_code == 200, done.text


def desk(cast: Cast, *permissions: str, **conditions: Any) -> None:
    """Give Bob an own role."""
    role = {"name": "desk", "title": "Desk", "permissions": list(permissions), "conditions": conditions}
    assert cast.alice.api("POST", "/access/roles", json=role).status_code == 201
    mine = {"person_ids": [str(cast.bob.id)]}
    assert cast.alice.api("PUT", "/access/roles/desk/members", json=mine).status_code == 200


def test_a_machine_or_a_member_that_somebody_lets_in_may_no_more_than_they(app: Flask, owner: Engine):
    number = datetime.now(UTC).strftime("%H%M%S%f")
    acme = make_workspace(app, owner, f"limit-{number}", {"owner": "alice", "accountant": "dave", "admin": "adam"})
    alice, dave, adam = (acme.people[role] for role in ("owner", "accountant", "admin"))
    secret = open_account(acme, "Secret payroll", "expense")
    machine = {"name": "till", "role": "accountant"}
    old = alice.api("POST", "/service-accounts", json=machine | {"name": "old"}).json["id"]
    assert dave.api("POST", "/service-accounts", json=machine).status_code == 201
    let(
        alice,
        "".join(
            f'forbid (principal == Person::"{one.id}", action in Action::"*:read", resource in Account::"{secret}");'
            for one in (dave, adam)
        ),
    )
    # It would be another person to the policies, and see what is withheld from who holds its secret.
    assert dave.api("POST", "/service-accounts", json=machine | {"name": "again"}).status_code == 422
    token = {"name": "t", "scopes": ["ledger:read"], "days": 1}
    assert dave.api("POST", f"/service-accounts/{old}/tokens", json=token).status_code == 403
    assert dave.api("POST", "/service-accounts", json={"name": "plain", "role": "customer"}).status_code == 201
    invited = {"email": f"sock-{number}@example.org", "role": "accountant"}
    assert adam.api("POST", "/invitations", json=invited).status_code == 422
    assert adam.api("POST", "/invitations", json=invited | {"role": "technician"}).status_code == 201
    assert alice.api("POST", "/invitations", json=invited).status_code == 201


def test_who_administers_members_gives_no_role_beyond_their_own_and_no_way_in_as_somebody_else(cast: Cast):
    desk(cast, "members:members:read", "members:members:write")
    bob = cast.bob
    refused = bob.api("PUT", f"/members/{bob.id}", json={"role": "admin"})
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/role")
    page = bob.post(f"/t/{cast.acme.slug}/members/{cast.carol.id}/role", {"role": "admin"})
    assert page.status_code == 422
    assert bob.api("PUT", f"/members/{cast.carol.id}", json={"role": "customer"}).status_code == 200
    assert bob.api("PUT", f"/members/{cast.carol.id}", json={"role": "auditor"}).status_code == 200
    assert bob.api("POST", "/invitations", json={"email": "x@example.org", "role": "accountant"}).status_code == 422
    # Whoever runs the provider comes in as any member, an owner too.
    provider = {
        "kind": "oidc",
        "name": "Mine",
        "issuer": "https://mine.example",
        "client_id": "c",
        "client_secret": "s",
    }
    assert bob.api("PUT", "/single-sign-on", json=provider).status_code == 403
    assert cast.alice.api("PUT", f"/members/{bob.id}", json={"role": "admin"}).status_code == 200
    assert bob.api("PUT", "/single-sign-on", json=provider).status_code == 403
    assert bob.api("DELETE", "/single-sign-on").status_code == 403
    assert cast.alice.api("PUT", "/single-sign-on", json=provider).status_code == 200


def test_what_is_permitted_for_a_while_is_not_given_for_longer(cast: Cast):
    bob, carol = cast.bob, cast.carol
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    mine = {"person_id": str(bob.id), "permissions": ["access:grants:write", "jobs:jobs:write"]}
    assert cast.alice.api("POST", "/access/grants", json=mine | {"until": soon}).status_code == 201
    assert bob.api("POST", "/access/grants", json=mine | {"until": UNTIL}).status_code == 422
    theirs = {"person_id": str(carol.id), "permissions": ["ledger:entries:write"], "until": UNTIL}
    assert bob.api("POST", "/access/grants", json=theirs).status_code == 201, "a role of theirs permits it anyway"


def test_a_policy_that_forbids_and_fails_forbids():
    write, asker = Permission.LEDGER_ENTRIES_WRITE, Asker(Role.MEMBER, (), UUID(int=7), amount=("EUR", 2**60))
    text = f"""@id("large") forbid (principal, action == Action::"{write.value}", resource)
        when {{ context has amount && context.amount * 100 > 1000000 }};"""
    book = Rulebook(with_own((("workspace", text),), validated=True), is_own=True)
    assert book.extent(write, replace(asker, amount=("EUR", 5))).is_whole
    assert book.extent(write, asker).policies == ("large",)
    for outcome in (book.answer(write, asker), book.answers([write], asker)[write], book.answer_on(write, asker, [7])):
        assert (outcome.permit, outcome.policies) == (False, ("large",))
    assert decide(write, asker=asker, rulebook=book).policies == ("large",)


def test_a_policy_names_only_accounts_that_there_can_be(cast: Cast):
    ids = ("9" * 30, "9" * 5000, "07", "٧")
    let(
        cast.alice,
        "".join(f'forbid (principal, action == Action::"{READ.value}", resource in Account::"{one}");' for one in ids),
    )
    for path in ("/entries", "/accounts"):
        answer = cast.bob.api("GET", path)
        assert answer.status_code == 200, answer.text


def test_an_account_that_there_is_not_limits_nothing(cast: Cast):
    body = {"permissions": ["ledger:entries:read"], "conditions": {"account_id": 424242}}
    role = body | {"name": "nowhere", "title": "Nowhere"}
    grant = body | {"person_id": str(cast.bob.id), "until": UNTIL}
    for path, sent in (("/access/roles", role), ("/access/grants", grant)):
        refused = cast.alice.api("POST", path, json=sent)
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, "/account"), refused.text
    form = {"person_id": str(cast.bob.id), "permissions": "ledger:entries:read", "until": UNTIL[:10]}
    page = f"/t/{cast.acme.slug}/access/grants"
    assert cast.alice.post(page, form | {"account": "424242"}).status_code == 422
    assert cast.alice.post(page, form).status_code == 303


def test_grants_are_paged_and_none_is_left_out(cast: Cast):
    body = {"person_id": str(cast.bob.id), "permissions": ["jobs:jobs:read"], "until": UNTIL}
    made = [cast.alice.api("POST", "/access/grants", json=body).json["id"] for _ in range(3)]
    first = cast.alice.api("GET", "/access/grants?limit=2").json
    then = cast.alice.api("GET", f"/access/grants?limit=2&cursor={first['next_cursor']}").json
    assert [one["id"] for one in (*first["data"], *then["data"])] == made[::-1]
    assert (first["has_more"], then["has_more"]) == (True, False)


def test_a_share_is_ended_where_it_is_and_nowhere_else(cast: Cast):
    bank, till = open_account(cast.acme, "Bank"), open_account(cast.acme, "Till")
    share = {"person_id": str(cast.bob.id), "until": UNTIL}
    made = cast.alice.api("POST", f"/accounts/{bank}/shares", json=share).json["id"]
    other = cast.alice.api("POST", "/access/grants", json=share | {"permissions": ["jobs:jobs:read"]}).json["id"]
    base = f"/t/{cast.acme.slug}/accounts"
    for account, grant in ((till, made), (bank, other), (424242, made)):
        assert cast.alice.post(f"{base}/{account}/sharing/{grant}/removal").status_code == 404
    assert cast.alice.post(f"{base}/{bank}/sharing/{made}/removal").status_code == 303
    assert cast.alice.api("GET", f"/accounts/{bank}/shares").json["data"] == []
