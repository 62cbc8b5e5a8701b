"""What A may carry (links, cursors, keys, form tokens) opens nothing of B; what is gone is gone within one request."""

import re
import secrets
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from flask import request
from flask_wtf import csrf
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenants import door
from tenants.money.ledger import api as ledger_api
from tests.cast import Cast, Person
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.routes import calls
from tests.webapp.tenancy.stage import Stage
from webapp.access.permissions import Role
from webapp.identity import queries as people
from webapp.identity import sessions
from webapp.kernel.db import Database
from webapp.tenancy import commands as tenancy
from webapp.tenancy import pages, queries
from webapp.tenancy.provisioning import remove_tenant
from webapp.web.state import KEY


def invite(cast: Cast, email: str) -> str:
    """Let Alice invite an address and return the path of the link."""
    secret = secrets.token_urlsafe(32)
    with _platform(cast) as session:
        tenancy.invite(
            session=session,
            actor=cast.alice.actor,
            at=datetime.now(UTC),
            invitation_id=uuid4(),
            tenant_id=cast.acme.ref.id,
            email=email,
            role=Role.MEMBER,
            secret=secret,
        )
    return f"/invitations/{secret}"


def _platform(cast: Cast):
    database: Database = cast.app.extensions[KEY].database
    return database.platform()


def roles(owner: Engine, person: Person) -> dict[str, str]:
    """Return the person's places: short name to role."""
    query = """
        SELECT slug, role FROM platform.membership JOIN platform.tenant t ON t.id = tenant_id WHERE person_id = :person
    """
    with owner.connect() as connection:
        return {row.slug: row.role for row in connection.execute(text(query), {"person": person.id})}


def test_an_invitation_opens_the_workspace_that_sent_it_and_no_other(cast: Cast, owner: Engine):
    path = invite(cast, cast.mallory.email)
    assert cast.mallory.post(path, {}).status_code == 303
    assert roles(owner, cast.mallory) == {cast.acme.slug: "member", cast.bravo.slug: "owner"}
    assert cast.mallory.post(path, {}).status_code in {404, 410}


def test_an_invitation_of_somebody_else_cannot_be_taken(cast: Cast, owner: Engine):
    path = invite(cast, "somebody@example.org")
    cast.mallory.post(path, {})
    assert roles(owner, cast.mallory) == {cast.bravo.slug: "owner"}


def test_a_cursor_of_a_shows_nothing_of_a_in_b(stage: Stage):
    def page(nest, query: str):
        headers = {"Authorization": f"Bearer {nest.owner.token}"}
        path = f"/api/v1/t/{nest.workspace.slug}/entries?limit=1{query}"
        return stage.app.test_client().get(path, headers=headers)

    first = page(stage.b, "").get_json()
    answer = page(stage.a, f"&cursor={first['next_cursor']}")
    assert first["has_more"]
    assert stage.b.canary not in answer.get_data(as_text=True)


def test_an_idempotency_key_of_a_is_unknown_in_b(cast: Cast):
    def book(person: Person):
        accounts = [
            person.api("POST", "/accounts", json={"name": f"A {n}", "kind": "asset", "currency": "EUR"}).get_json()[
                "id"
            ]
            for n in range(2)
        ]
        postings = [
            {"account_id": account, "amount": amount, "currency": "EUR"}
            for account, amount in zip(accounts, ("1.00", "-1.00"), strict=True)
        ]
        body = {"date": "2026-03-14", "description": person.email, "postings": postings}
        return person.api("POST", "/entries", json=body, headers={"Idempotency-Key": "the same in both"})

    for person in (cast.alice, cast.mallory):
        answer = book(person)
        assert answer.status_code == 201
        assert answer.get_json()["description"] == person.email
        assert "Idempotency-Replayed" not in answer.headers


def test_a_form_token_of_another_session_is_refused(cast: Cast):
    html = cast.mallory.browser().get("/profile").get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html)
    assert token
    answer = cast.alice.browser().post("/profile", data={"csrf_token": token[1], "name": "Taken over"})
    assert answer.status_code == 403


def test_a_session_of_somebody_else_cannot_be_ended(cast: Cast, owner: Engine):
    with owner.connect() as connection:
        query = "SELECT id FROM platform.session WHERE person_id = :person"
        session_id = connection.scalar(text(query), {"person": cast.alice.id})
    assert cast.mallory.post(f"/profile/sessions/{session_id}/revocation").status_code == 404
    assert cast.alice.browser().get("/profile").status_code == 200


def everything(cast: Cast, person: Person) -> set[int]:
    """Open every list of Acme by session and by token and return the statuses."""
    statuses = set()
    for call in calls(cast.app):
        if call.method == "GET" and not call.parameters and "/t/" in call.rule.rule:
            path = call.path(cast.acme.slug, {})
            headers = {"Authorization": f"Bearer {person.token}"} if call.is_api else {}
            statuses.add(person.browser().get(path, headers=headers).status_code)
    return statuses


@pytest.mark.parametrize("end", ["removed", "suspended", "member removed"])
def test_what_has_ended_is_dead_within_one_request(cast: Cast, owner: Engine, end: str):
    at, path = datetime.now(UTC), invite(cast, cast.mallory.email)
    assert everything(cast, cast.bob) <= {200, 302, 303, 308, 403, 422}
    if end == "removed":
        remove_tenant(owner, slug=cast.acme.slug)
    else:
        with _platform(cast) as session:
            if end == "suspended":
                tenancy.set_suspended(
                    session=session, actor=cast.olga.actor, at=at, slug=cast.acme.slug, suspended=True
                )
            else:
                tenancy.remove_member(
                    session=session, actor=cast.alice.actor, at=at, tenant_id=cast.acme.ref.id, person_id=cast.bob.id
                )
    assert everything(cast, cast.bob) <= {"suspended": {403}, "removed": {401, 404}, "member removed": {404}}[end]
    if end == "removed":
        assert cast.mallory.browser().get(path).status_code in {404, 410}
        assert cast.mallory.post(path).status_code in {404, 410}


def test_a_revoked_token_and_an_ended_session_are_dead_within_one_request(cast: Cast, owner: Engine):
    assert cast.bob.api("GET", "/accounts").status_code == 200
    with owner.begin() as connection:
        for table in ("token", "session"):
            query = f"UPDATE platform.{table} SET revoked_at = now() WHERE person_id = :person"
            connection.execute(text(query), {"person": cast.bob.id})
    assert cast.bob.api("GET", "/accounts").status_code == 401
    assert cast.bob.browser().get(f"/t/{cast.acme.slug}/accounts").status_code == 303


def test_a_disabled_person_is_out_within_one_request(cast: Cast, owner: Engine):
    with owner.begin() as connection:
        connection.execute(text("UPDATE platform.person SET disabled_at = now() WHERE id = :p"), {"p": cast.bob.id})
    assert cast.bob.api("GET", "/accounts").status_code == 401
    assert cast.bob.browser().get(f"/t/{cast.acme.slug}/accounts").status_code == 303


def test_a_build_that_lets_anybody_take_an_invitation_turns_red(
    cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, pages.accept_invitation, "person is None or known is None or person.id != known.id", "False")
    with pytest.raises(AssertionError):
        test_an_invitation_of_somebody_else_cannot_be_taken(cast, owner)


def test_a_build_whose_invitations_work_twice_turns_red(cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, tenancy.accept_invitation, "Invitation.accepted_at.is_(None),", "")
    mutate(monkeypatch, queries.invitation_by_secret, "Invitation.accepted_at.is_(None),", "")
    with pytest.raises(AssertionError):
        test_an_invitation_opens_the_workspace_that_sent_it_and_no_other(cast, owner)


def test_a_build_that_ends_anybodys_session_turns_red(cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, sessions.revoke_session, "SignInSession.person_id == person_id,", "")
    with pytest.raises(AssertionError):
        test_a_session_of_somebody_else_cannot_be_ended(cast, owner)


def test_a_build_that_takes_any_form_token_of_ours_turns_red(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    def signed_by_us(data: str) -> None:
        URLSafeTimedSerializer(str(cast.app.secret_key), salt="wtf-csrf-token").loads(data)

    monkeypatch.setattr(csrf, "validate_csrf", signed_by_us)
    with pytest.raises(AssertionError):
        test_a_form_token_of_another_session_is_refused(cast)


def test_a_build_whose_keys_are_everybodys_turns_red(cast: Cast, monkeypatch: pytest.MonkeyPatch):
    seen: dict[str, object] = {}
    once = ledger_api.once

    def everybodys(act: object, **options: object) -> object:
        key = request.headers["Idempotency-Key"]
        if key not in seen:
            seen[key] = once(act, **options)
        return seen[key]

    monkeypatch.setattr(ledger_api, "once", everybodys)
    with pytest.raises(AssertionError):
        test_an_idempotency_key_of_a_is_unknown_in_b(cast)


@pytest.mark.parametrize("end", ["removed", "suspended", "member removed"])
def test_a_build_that_remembers_who_was_a_member_turns_red(
    cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch, end: str
):
    known: dict[object, object] = {}
    ask = queries.membership

    def remembered(*, session: Session, slug: str, person_id: UUID) -> object:
        key = (slug, person_id)
        if key not in known:
            known[key] = ask(session=session, slug=slug, person_id=person_id)
        return known[key]

    monkeypatch.setattr(queries, "membership", remembered)
    with pytest.raises((AssertionError, DBAPIError)):
        test_what_has_ended_is_dead_within_one_request(cast, owner, end)


def test_a_build_that_lets_people_into_a_suspended_workspace_turns_red(
    cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, door._enter, "g.tenant.suspended_at is not None", "False")
    with pytest.raises(AssertionError):
        test_what_has_ended_is_dead_within_one_request(cast, owner, "suspended")


@pytest.mark.parametrize("forgotten", ["tokens", "sessions"])
def test_a_build_that_forgets_revocation_turns_red(
    cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch, forgotten: str
):
    if forgotten == "tokens":
        monkeypatch.setattr(people, "_BEARER", text(str(people._BEARER).replace("t.revoked_at IS NULL AND", "")))
    else:
        mutate(monkeypatch, people.live_session, "SignInSession.revoked_at.is_(None),", "")
    with pytest.raises(AssertionError):
        test_a_revoked_token_and_an_ended_session_are_dead_within_one_request(cast, owner)


def test_a_build_that_lets_disabled_people_in_turns_red(cast: Cast, owner: Engine, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, people.live_session, "Person.disabled_at.is_(None),", "")
    with pytest.raises(AssertionError):
        test_a_disabled_person_is_out_within_one_request(cast, owner)
