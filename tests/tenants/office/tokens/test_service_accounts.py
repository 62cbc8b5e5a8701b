"""Service accounts: machines that act in their own name, may no more than who made them, and stop at once."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests.cast import STAGE, Cast
from webapp.access.permissions import Role
from webapp.identity import queries, sessions
from webapp.kernel.ids import new_id
from webapp.tenancy import commands as tenancy
from webapp.web.state import KEY


def make(cast: Cast, name: str, role: str, *scopes: str, **more: Any) -> tuple[str, str]:
    """Make a service account with one token and return its id and the token."""
    made = cast.alice.api("POST", "/service-accounts", json={"name": name, "role": role})
    assert made.status_code == 201, made.text
    body = {"name": "one", "scopes": list(scopes), **more}
    token = cast.alice.api("POST", f"/service-accounts/{made.json['id']}/tokens", json=body)
    assert token.status_code == 201, token.text
    return made.json["id"], token.json["token"]


def call(cast: Cast, token: str, method: str, path: str, slug: str = "", **kwargs: Any) -> Any:
    """Call the API as a machine."""
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": new_id().hex}
    url = f"/api/v1/t/{slug or cast.acme.slug}{path}"
    return cast.app.test_client().open(url, method=method, headers=headers, **kwargs)


def test_a_machine_acts_in_its_own_name_within_its_role_and_scopes_until_it_is_disabled(cast: Cast) -> None:
    account, token = make(cast, "Nightly export", "accountant", "ledger:write", "ledger:read", "tokens:write")
    body = {"name": "Till", "kind": "asset", "currency": "EUR"}
    assert call(cast, token, "POST", "/accounts", json=body).status_code == 201
    event = cast.alice.api("GET", "/audit-events", query_string={"action": "account.opened", "limit": 1}).json["data"][
        0
    ]
    assert event["actor"] == "Nightly export"
    assert "Nightly export" in cast.alice.browser().get(f"/t/{cast.acme.slug}/audit-events").text

    refused = call(cast, token, "GET", "/members")
    assert refused.status_code == 403
    assert "members:read" in refused.json["detail"]
    assert call(cast, token, "GET", "/accounts", cast.bravo.slug).status_code == 404
    personal = call(cast, token, "POST", "/tokens", json={"name": "x", "scopes": ["ledger:read"]})
    assert personal.status_code == 403
    assert personal.json["code"] == "not_a_person"
    assert cast.alice.api("GET", f"/service-accounts/{account}").json["used_at"]
    assert token.split("_")[2] not in cast.alice.api("GET", "/tokens").text

    changed = {"name": "Nightly export", "role": "auditor"}
    assert cast.alice.api("PUT", f"/service-accounts/{account}", json=changed).status_code == 200
    assert call(cast, token, "POST", "/accounts", json=body | {"name": "No"}).status_code == 403

    assert cast.dave.api("POST", f"/service-accounts/{account}/disablement").json["state"] == "disabled"
    assert call(cast, token, "GET", "/accounts").status_code == 401
    again = cast.alice.api("POST", f"/service-accounts/{account}/tokens", json={"name": "x", "scopes": ["ledger:read"]})
    assert again.status_code == 409
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/service-accounts/{account}").text
    assert "Disabled since" in page
    assert "Make a token" not in page


def test_a_machines_token_rotates_with_overlap_and_is_revoked(cast: Cast) -> None:
    account, token = make(cast, "Till", "member", "ledger:read", networks=["127.0.0.0/8"])
    token_id = token.split("_")[2]
    rotated = cast.alice.api("POST", f"/service-accounts/{account}/tokens/{token_id}/rotation", json={})
    assert rotated.status_code == 201, rotated.text
    for one in (token, rotated.json["token"]):
        assert call(cast, one, "GET", "/accounts").status_code == 200
    elsewhere = call(cast, token, "GET", "/accounts", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert elsewhere.json["code"] == "token_network"
    assert cast.alice.api("POST", f"/tokens/{token_id}/revocation").status_code == 404
    assert cast.alice.api("POST", f"/service-accounts/{account}/tokens/{token_id}/revocation").status_code == 200
    for one in (token, rotated.json["token"]):
        assert call(cast, one, "GET", "/accounts").status_code == 401
    listed = cast.alice.api("GET", f"/service-accounts/{account}/tokens").json["data"]
    assert [(row["id"], row["state"]) for row in listed] == [(token_id, "revoked")]


def test_nobody_gives_a_machine_more_than_they_have(cast: Cast) -> None:
    for role in ("owner", "nonsense"):
        answer = cast.alice.api("POST", "/service-accounts", json={"name": "x", "role": role})
        assert answer.json["errors"][0]["pointer"] == "/role"
    body = {"name": "x", "role": "auditor"}
    assert cast.bob.api("POST", "/service-accounts", json=body).status_code == 403
    assert cast.bob.api("GET", "/service-accounts").status_code == 200
    account, _token = make(cast, "Wide", "accountant", "ledger:read")
    narrow = cast.alice.api("POST", "/tokens", json={"name": "n", "scopes": ["tokens:write"]}).json["token"]
    wider = call(
        cast, narrow, "POST", f"/service-accounts/{account}/tokens", json={"name": "w", "scopes": ["ledger:read"]}
    )
    assert wider.json["errors"][0]["pointer"] == "/scopes"


def test_what_is_forbidden_to_who_makes_a_machine_is_forbidden_to_the_machine(cast: Cast) -> None:
    """A forbid on admins (whatever its condition is now) keeps them from machines of roles that it does not reach."""
    alice, dave = cast.alice, cast.dave
    assert alice.api("PUT", f"/members/{dave.id}", json={"role": "admin"}).status_code == 200
    body = {"name": "Before", "role": "member"}
    before = dave.api("POST", "/service-accounts", json=body)
    assert before.status_code == 201, before.text
    admins = 'forbid (principal in Role::"admin", action == Action::"ledger:entries:write", resource)\n'
    everybody = 'forbid (principal, action == Action::"ledger:entries:write", resource)\n'
    weekends = "when { context.weekday == 9 };\n"
    for number, (policies, status) in enumerate(
        (
            (admins + weekends, 422),
            (everybody + weekends, 201),
            (admins.replace('Role::"admin"', f'Person::"{dave.id}"').replace(" in ", " == ") + weekends, 422),
            (admins.replace("resource", 'resource in Account::"7"') + weekends, 422),
            (admins.replace('"admin"', '"accountant"') + weekends, 201),
        ),
        start=1,
    ):
        written = alice.api("PUT", "/policy-stores/workspace/draft", json={"schema_text": "", "policies": policies})
        assert written.status_code == 200, written.text
        on = f"/policy-stores/workspace/versions/{written.json['number']}/activation"
        assert alice.api("POST", on, json={}).status_code == 200
        made = dave.api("POST", "/service-accounts", json=body | {"name": f"After {number}"})
        assert made.status_code == status, f"{policies}: {made.text}"
        if status == 422:
            assert made.json["errors"][0]["pointer"] == "/role"
            # Nor do they make tokens for one that was there; what reads only was not forbidden to them.
            token = {"name": "t", "scopes": ["ledger:read"]}
            tokens = f"/service-accounts/{before.json['id']}/tokens"
            assert dave.api("POST", tokens, json=token).json["code"] == "service_account_role"
            assert (
                dave.api("POST", "/service-accounts", json={"name": f"R{number}", "role": "auditor"}).status_code == 201
            )
    page = dave.browser().get(f"/t/{cast.acme.slug}/service-accounts").text
    assert 'value="member"' in page


@pytest.mark.parametrize("name", ["alice@example.org", " ", "a\u202eb", "x" * 101])
def test_a_machine_is_never_called_like_a_person(cast: Cast, name: str) -> None:
    answer = cast.alice.post(f"/t/{cast.acme.slug}/service-accounts", {"name": name, "role": "auditor"})
    assert answer.status_code == 422
    assert "1 to 100 characters and no @" in answer.text


def test_two_that_work_do_not_share_a_name_and_none_signs_in(cast: Cast) -> None:
    account, _token = make(cast, "Export", "auditor", "ledger:read")
    twin = cast.alice.api("POST", "/service-accounts", json={"name": "EXPORT", "role": "auditor"})
    assert twin.json["code"] == "service_account_name"
    with cast.app.extensions[KEY].database.platform() as session:
        assert queries.person_by_email(session=session, email="Export") is None
        for act in (_sign_in, _join):
            with pytest.raises(IntegrityError, match="person_id_fkey"), session.begin_nested():
                act(cast, session, UUID(account))


def _sign_in(_cast: Cast, session: Session, account: UUID) -> None:
    at, secret = datetime.now(UTC), new_id().hex
    sessions.open_session(
        session=session,
        actor=STAGE,
        at=at,
        session_id=new_id(),
        secret=secret,
        person_id=account,
        life=timedelta(days=1),
        user_agent="",
    )


def _join(cast: Cast, session: Session, account: UUID) -> None:
    tenancy.add_member(
        session=session,
        actor=STAGE,
        at=datetime.now(UTC),
        tenant_id=cast.acme.ref.id,
        person_id=account,
        role=Role.MEMBER,
    )


def test_a_page_makes_a_machine_its_token_and_stops_it(cast: Cast) -> None:
    root = f"/t/{cast.acme.slug}/service-accounts"
    made = cast.alice.post(root, {"name": "Robot", "role": "auditor", "note": "cellar"})
    assert made.status_code == 303, made.text
    place = made.headers["Location"]
    shown = cast.alice.post(f"{place}/tokens", {"name": "one", "days": "30", "scopes": "ledger:read"})
    token = re.search(r"cpt_live_[0-9a-f]{16}_[\w-]{51}", shown.text)
    assert shown.status_code == 201
    assert token
    assert call(cast, token[0], "GET", "/accounts").status_code == 200
    assert token[0] not in cast.alice.browser().get(place).text
    assert "Robot" in cast.carol.browser().get(root).text
    assert cast.carol.post(f"{place}/disablement").status_code == 403
    assert cast.alice.post(f"{place}/disablement").status_code == 303
    assert call(cast, token[0], "GET", "/accounts").status_code == 401


def test_a_token_of_who_left_or_was_disabled_opens_nothing_also_after_a_return(cast: Cast, app: Flask) -> None:
    old = cast.bob.token
    assert cast.alice.api("DELETE", f"/members/{cast.bob.id}").status_code == 204
    database = app.extensions[KEY].database
    with database.platform() as session:
        _join(cast, session, cast.bob.id)
    assert call(cast, old, "GET", "/accounts").status_code == 401

    assert call(cast, cast.dave.token, "GET", "/accounts").status_code == 200
    with database.platform() as session:
        session.execute(text("UPDATE platform.person SET disabled_at = now() WHERE id = :id"), {"id": cast.dave.id})
    assert call(cast, cast.dave.token, "GET", "/accounts").status_code == 401
