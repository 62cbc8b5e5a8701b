"""Confirm that it is you: asked when the last confirmation is older than 10 minutes, and then the act goes on."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from tests.cast import STAGE, Cast, raise_curtain
from tests.hands import Clock, submit
from tests.webapp.identity.test_interrupted import HERE, form_of, send
from tests.webapp.tenancy.mutation import mutate
from webapp.access.permissions import Permission
from webapp.identity import rules, sessions
from webapp.identity.passwords import set_password
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"


@pytest.fixture
def late(still: Flask, owner: Engine, clock: Clock) -> tuple[Cast, FlaskClient]:
    """Return the cast with Alice in a browser, signed in by her password eleven minutes ago."""
    cast = raise_curtain(still, owner)
    with still.extensions[KEY].database.platform() as session:
        set_password(
            session=session,
            actor=STAGE,
            at=clock(),
            person_id=cast.alice.id,
            email=cast.alice.email,
            password=PASSWORD,
        )
    client = still.test_client()
    assert submit(client, "/sign-in", "/sign-in", {"email": cast.alice.email, "password": PASSWORD}).status_code == 303
    clock.forward(minutes=11)
    return cast, client


def secret_of(client: FlaskClient) -> str:
    """Return the session's secret in a browser."""
    found = client.get_cookie("comptoir")
    assert found
    return found.value


def confirm(client: FlaskClient, page: Any, password: str = PASSWORD) -> Any:
    """Fill in the page that asks, with everything that it carries, and go on as a browser does.

    After a 307 it sends the same body once more; the test client would send an empty one.
    """
    form = form_of(page.text, "/confirmation")
    carried = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    data: dict[str, list[str]] = {}
    for name, value in carried:
        if name in form.fields:
            data.setdefault(name, []).append(unescape(value))
    body = data | {"csrf_token": form.fields["csrf_token"], "confirm_password": password}
    answer = client.post("/confirmation", data=body, headers=HERE)
    return client.post(answer.headers["Location"], data=body, headers=HERE) if answer.status_code == 307 else answer


def test_a_token_is_made_after_a_confirmation_with_what_was_typed(late: tuple[Cast, FlaskClient]) -> None:
    cast, client = late
    path = f"/t/{cast.acme.slug}/tokens"
    form = form_of(client.get(path).text, "/tokens")
    typed = {"name": 'Nightly <b>"export"</b>', "days": "30", "scopes": ["ledger:read", "jobs:read"], "networks": ""}
    asked = send(client, form, **typed)
    assert asked.status_code == 401
    assert "Confirm that it is you" in asked.text
    before = secret_of(client)
    wrong = confirm(client, asked, "not my password at all")
    assert (wrong.status_code, "This is not your password" in wrong.text) == (422, True)
    assert secret_of(client) == before
    made = confirm(client, wrong)
    assert made.status_code == 201, made.text
    (token,) = [one for one in cast.alice.api("GET", "/tokens").json["data"] if one["name"] == typed["name"]]
    assert sorted(token["scopes"]) == sorted(typed["scopes"])
    assert secret_of(client) != before, "the session goes on under a new secret"
    old = cast.app.test_client()
    old.set_cookie("comptoir", before)
    assert old.get("/profile").status_code == 303, "the old secret opens nothing"
    again = send(client, form, **(typed | {"name": "without being asked"}))
    assert again.status_code == 201


def test_a_build_that_never_forgets_a_confirmation_turns_red(
    late: tuple[Cast, FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch, rules.is_confirmed, "<= CONFIRMED_FOR", "is not None")
    with pytest.raises(AssertionError):
        test_a_token_is_made_after_a_confirmation_with_what_was_typed(late)


def test_whoever_is_asked_at_a_page_or_by_a_script_is_led_there_and_back(late: tuple[Cast, FlaskClient]) -> None:
    cast, client = late
    slug = cast.acme.slug
    scripted = client.post(
        f"/t/{slug}/invitations",
        data=form_of(client.get(f"/t/{slug}/members").text, "/invitations").fields,
        headers={**HERE, "HX-Request": "true", "Referer": f"http://localhost/t/{slug}/members"},
    )
    assert scripted.status_code == 401
    asking = scripted.headers["HX-Redirect"]
    assert asking == f"/confirmation?next=/t/{slug}/members"
    answer = confirm(client, client.get(asking))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/t/{slug}/members")
    assert client.get("/confirmation?next=https://evil.example/").text.count("evil.example") == 0


def test_programs_are_not_asked_and_neither_are_acts_that_matter_less(
    late: tuple[Cast, FlaskClient], clock: Clock
) -> None:
    cast, client = late
    assert cast.alice.api("POST", "/tokens", json={"name": "by a program", "scopes": ["jobs:read"]}).status_code == 201
    path = f"/t/{cast.acme.slug}/accounts"
    form = form_of(client.get(f"{path}/new").text, "/accounts")
    typed = dict.fromkeys(form.fields.keys() - {"csrf_token"}, "")
    typed |= {"name": "Bank", "kind": "asset", "currency": "EUR"}
    assert send(client, form, **typed).status_code == 303
    asked = send(client, form, **typed | {"name": "Savings", "number": "FR76 3000 6000 0112 3456 7890 189"})
    assert asked.status_code == 401, "the number of an account is where money goes"
    assert confirm(client, asked).status_code == 303


def test_what_matters_is_declared(app: Flask) -> None:
    asked = {name for name, view in app.view_functions.items() if getattr(view, "confirm", False)}
    assert asked >= {
        "office_tokens.create_token",
        "office_tokens.rotate_token",
        "office_members.invite",
        "office_members.change_role",
        "office_members.remove_member",
        "tenancy.remove_workspace",
    }
    written = {
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/t/")
        and "POST" in (rule.methods or ())
        and getattr(app.view_functions[rule.endpoint], "permission", None) is Permission.MEMBERS_MEMBERS_WRITE
    }
    assert written - asked == {"office_members.revoke_invitation"}, "closing a door needs no confirmation"


def test_a_change_of_role_gives_every_session_of_the_member_a_new_secret(cast: Cast) -> None:
    bob = cast.bob.browser()
    assert cast.alice.post(f"/t/{cast.acme.slug}/members/{cast.bob.id}/role", {"role": "auditor"}).status_code == 303
    assert bob.get("/profile").status_code == 200
    assert secret_of(bob) != cast.bob.session_secret
    assert bob.get("/profile").status_code == 200
    assert cast.bob.browser().get("/profile").status_code == 303, "the old secret opens nothing"


def test_a_session_that_has_ended_is_not_confirmed(late: tuple[Cast, FlaskClient], clock: Clock) -> None:
    cast, client = late
    page = client.get("/confirmation?next=/profile")
    with cast.app.extensions[KEY].database.platform() as session:
        sessions.revoke_sessions(session=session, actor=STAGE, at=clock(), person_id=cast.alice.id)
    assert confirm(client, page).status_code == 401
    with cast.app.extensions[KEY].database.platform() as session:
        query = text("SELECT count(*) FROM session WHERE person_id = :p AND confirmed_at > :at")
        assert session.scalar(query, {"p": cast.alice.id, "at": clock() - timedelta(minutes=1)}) == 0
