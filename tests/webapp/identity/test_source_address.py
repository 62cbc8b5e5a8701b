"""From where an act came is part of its event."""

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Cast
from tests.hands import work
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY


@pytest.fixture
def behind(settings: Settings, owner: Engine) -> Iterator[Flask]:
    """Return an application behind one proxy that it trusts."""
    made = create_app(replace(settings, trusted_proxies=1))
    made.testing = True
    yield made
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()


def addresses(cast: Cast, action: str) -> set[str]:
    """Return from where an act was done in the workspace, as its trail says."""
    with cast.acme.begin() as session:
        query = "SELECT DISTINCT source_address FROM audit_event WHERE action = :action"
        return set(session.scalars(text(query), {"action": action}))


def test_an_act_by_page_and_by_call_says_from_where_it_came(cast: Cast) -> None:
    from_there = {"REMOTE_ADDR": "203.0.113.5"}
    cast.alice.api(
        "POST", "/accounts", json={"name": "A", "kind": "asset", "currency": "EUR"}, environ_overrides=from_there
    )
    assert addresses(cast, "account.opened") == {"203.0.113.5"}
    path = f"/t/{cast.acme.slug}/tokens"
    typed = {"name": "Export", "scopes": "ledger:read", "days": "30"}
    assert cast.alice.post(path, typed, environ_overrides={"REMOTE_ADDR": "2001:db8::7"}).status_code == 201
    assert addresses(cast, "token.created") == {"2001:db8::7"}


def test_behind_a_proxy_it_is_the_address_that_the_proxy_saw(cast: Cast, behind: Flask, app: Flask) -> None:
    said = {"X-Forwarded-For": "192.0.2.1, 198.51.100.9"}
    body = {"name": "A", "kind": "asset", "currency": "EUR"}
    cast.alice.app = behind
    cast.alice.api("POST", "/accounts", json=body, headers=said)
    cast.alice.app = app
    assert addresses(cast, "account.opened") == {"198.51.100.9"}, "what a client says of itself is not believed"


def test_without_a_trusted_proxy_nobody_says_who_they_are(cast: Cast) -> None:
    body = {"name": "A", "kind": "asset", "currency": "EUR"}
    cast.alice.api("POST", "/accounts", json=body, headers={"X-Forwarded-For": "192.0.2.1"})
    assert addresses(cast, "account.opened") == {"127.0.0.1"}


def test_what_a_job_does_says_from_where_it_was_asked_for(cast: Cast, settings: Settings) -> None:
    account = cast.alice.api("POST", "/accounts", json={"name": "A", "kind": "asset", "currency": "EUR"}).json["id"]
    file = (io.BytesIO(b"Date,Description,Amount\n2026-01-02,Shop,-5.00\n"), "statement.csv")
    made = cast.alice.api(
        "POST",
        "/imports",
        data={"account_id": str(account), "file": file, "publish": "auto"},
        content_type="multipart/form-data",
        environ_overrides={"REMOTE_ADDR": "203.0.113.5"},
    )
    assert made.status_code == 202
    work(settings, "imports.check", "imports.publish")
    assert addresses(cast, "import.published") == {"203.0.113.5"}


def test_an_act_outside_every_workspace_says_it_too(cast: Cast, owner: Engine) -> None:
    cast.alice.post("/profile", {"name": "Alice"}, environ_overrides={"REMOTE_ADDR": "203.0.113.77"})
    with owner.connect() as connection:
        query = "SELECT source_address FROM platform.audit_event WHERE action = 'person.preferences_changed'"
        query += " AND object_id = :id"
        assert connection.scalar(text(query), {"id": str(cast.alice.id)}) == "203.0.113.77"
