"""The log tells who did what where, and never a secret."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine
from structlog._config import BoundLoggerLazyProxy

from tests.cast import Cast, raise_curtain
from tests.hands import letters, link_in, submit, work
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web import logs
from webapp.web.state import KEY

PASSWORD = "the password that no log may hold"


def forget_loggers() -> None:
    """Let every module's logger look anew where to write."""
    for module in list(sys.modules.values()):
        for value in list(vars(module).values()):
            if isinstance(value, BoundLoggerLazyProxy):
                vars(value).pop("bind", None)


@pytest.fixture
def told() -> io.StringIO:
    """Return what standard output is while the application writes its log."""
    return io.StringIO()


@pytest.fixture
def loud(settings: Settings, owner: Engine, told: io.StringIO) -> Iterator[Flask]:
    """Return an application whose log, and that of every module, the test can read."""
    forget_loggers()
    with redirect_stdout(told):
        made = create_app(settings)
    made.testing = True
    yield made
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()
    forget_loggers()
    logs.configure("INFO")


@pytest.fixture
def heard(loud: Flask, owner: Engine) -> Cast:
    """Return the cast on that application."""
    return raise_curtain(loud, owner)


def test_a_line_says_request_tenant_person_route_status_and_duration(heard: Cast, told: io.StringIO) -> None:
    heard.bob.api("GET", "/members", headers={"X-Request-Id": "trace-me"})
    line = next(json.loads(text) for text in told.getvalue().splitlines() if "trace-me" in text)
    assert line["tenant"] == str(heard.acme.ref.id)
    assert line["person_id"] == str(heard.bob.id)
    assert (line["route"], line["status"], line["method"]) == ("/api/v1/t/<slug>/members", 200, "GET")
    assert line["milliseconds"] > 0


def test_no_token_password_cookie_or_link_reaches_the_log(
    heard: Cast, loud: Flask, settings: Settings, told: io.StringIO
) -> None:
    client, email = loud.test_client(), f"log-{uuid4().hex[:8]}@example.org"
    submit(client, "/sign-in", "/sign-in", {"email": email, "password": PASSWORD})
    made = heard.alice.api("POST", "/tokens", json={"name": "t", "scopes": ["ledger:read"]}).json["token"]
    heard.alice.api("GET", "/accounts", headers={"Authorization": f"Bearer {made}"})
    heard.alice.api("GET", "/accounts", headers={"Authorization": f"Bearer {made}x"})
    heard.alice.api("POST", "/invitations", json={"email": email})
    work(settings, "mail.send")
    path = link_in(letters(settings, email)[0])
    submit(client, path, path, {"name": "Log", "password": PASSWORD})
    cookie = client.get_cookie("comptoir")
    assert cookie is not None
    client.get("/profile")
    client.post("/profile", data={"name": PASSWORD})
    client.get(f"/odd?token={made}")
    submit(client, "/profile", "/sign-out")
    assert '"event": "request"' in told.getvalue()
    for secret in (
        PASSWORD,
        made,
        made.rpartition("_")[2],
        cookie.value,
        heard.alice.session_secret,
        path.rpartition("/")[2],
        settings.secret_key,
    ):
        assert secret not in told.getvalue()


def test_a_line_break_in_a_header_forges_no_line(heard: Cast, told: io.StringIO) -> None:
    answer = heard.bob.api("GET", "/members", headers={"X-Request-Id": "a b{}\t"})
    assert answer.headers["X-Request-Id"] != "a b{}\t"
    for line in told.getvalue().splitlines():
        json.loads(line)
