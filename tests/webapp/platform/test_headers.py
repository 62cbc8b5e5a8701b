"""What every answer says to the browser, read from real answers of every kind."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, request
from sqlalchemy import Engine

from tests.cast import Cast
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY

NONE = ("default-src", "base-uri", "frame-ancestors", "object-src")
OURS = ("style-src", "img-src", "font-src", "connect-src", "manifest-src", "form-action")


def kinds(cast: Cast) -> dict[str, Any]:
    """Return an answer of every kind: pages, a fragment, refusals, the API, redirects, health, static files."""
    slug, alice = cast.acme.slug, cast.alice.browser()
    stranger = cast.app.test_client()
    fragment = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "main#main"}
    return {
        "sign-in": stranger.get("/sign-in"),
        "dashboard": alice.get(f"/t/{slug}/"),
        "register": alice.get(f"/t/{slug}/entries"),
        "import": alice.get(f"/t/{slug}/imports"),
        "fragment": alice.get(f"/t/{slug}/entries", headers=fragment),
        "profile": alice.get("/profile"),
        "operator": cast.olga.browser().get("/platform"),
        "form with errors": cast.alice.post(f"/t/{slug}/tokens", {"name": ""}),
        "signed out": stranger.get(f"/t/{slug}/entries"),
        "without a token": stranger.post("/sign-in", data={"email": "a"}),
        "refused": cast.carol.post(f"/t/{slug}/accounts", {"name": "x"}),
        "not found": alice.get("/no/such/page"),
        "wrong method": alice.post("/livez"),
        "call": cast.alice.api("GET", "/accounts"),
        "problem": cast.alice.api("GET", "/accounts/999999"),
        "call without a token": stranger.get(f"/api/v1/t/{slug}/accounts"),
        "description": stranger.get("/api/v1/openapi.json"),
        "documentation": stranger.get("/api/v1/docs"),
        "health": stranger.get("/livez"),
        "static": stranger.get("/static/icons/comptoir.svg", buffered=True),
    }


def policy(answer: Any) -> dict[str, str]:
    """Read the content security policy of an answer."""
    (header,) = answer.headers.getlist("Content-Security-Policy")
    directives = [part.strip().partition(" ") for part in header.split(";") if part.strip()]
    assert len({name for name, _, _ in directives}) == len(directives), "the first of two directives would win"
    return {name: value.strip() for name, _, value in directives}


def test_every_answer_carries_the_policy_and_the_headers(cast: Cast) -> None:
    nonces = []
    for name, answer in kinds(cast).items():
        assert answer.status_code < 500, name
        found = policy(answer)
        assert found.keys() == {*NONE, *OURS, "script-src"}, name
        assert {found[one] for one in NONE} == {"'none'"}, name
        assert {found[one] for one in OURS} == {"'self'"}, name
        nonce = re.fullmatch(r"'nonce-([A-Za-z0-9_-]{22,})'", found["script-src"])
        assert nonce, f"{name}: {found['script-src']} has a nonce of 128 bits and nothing else"
        nonces.append(nonce[1])
        whole = answer.headers["Content-Security-Policy"]
        assert not re.search(r"unsafe|strict-dynamic|\*|https?:|data:|blob:", whole), (name, whole)
        headers = answer.headers
        assert headers["X-Content-Type-Options"] == "nosniff", name
        assert headers["Referrer-Policy"] == "same-origin", name
        assert headers["X-Frame-Options"] == "DENY", name
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", name
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin", name
        assert "camera=()" in headers["Permissions-Policy"], name
        assert "Server" not in headers, name
        assert not [one for one, _ in headers if one.startswith("Access-Control-")], name
        kept = {"static": "public, max-age=31536000, immutable", "description": "no-cache"}.get(name, "no-store")
        assert headers["Cache-Control"] == kept, name
        if answer.mimetype == "text/html" and "<script" in answer.text:
            used = set(re.findall(r'<script[^>]* nonce="([^"]+)"', answer.text))
            assert used == {nonce[1]}, name
            assert len(re.findall(r"<script", answer.text)) == len(re.findall(r"<script[^>]* nonce=", answer.text)), (
                name
            )
    assert len(set(nonces)) == len(nonces), "a nonce is used once"


@pytest.fixture
def public(settings: Settings, owner: Engine) -> Iterator[Flask]:
    """Return the application as it runs in public, behind one proxy."""
    made = create_app(replace(settings, mode="production", base_url="https://books.example", trusted_proxies=1))
    made.testing = True
    yield made
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()


def test_in_production_the_browser_is_told_to_come_by_tls_only(public: Flask, app: Flask) -> None:
    client = public.test_client()
    for path in ("/sign-in", "/livez", "/no/such/page", "/api/v1/openapi.json", "/static/icons/comptoir.svg"):
        answer = client.get(
            path, base_url="http://books.example", headers={"X-Forwarded-Proto": "https"}, buffered=True
        )
        strict = answer.headers["Strict-Transport-Security"]
        assert int(re.search(r"max-age=(\d+)", strict)[1]) >= 31_536_000, path  # type: ignore[index]
        assert "includeSubDomains" in strict
    assert "Strict-Transport-Security" not in app.test_client().get("/sign-in").headers


def test_a_proxy_that_is_trusted_tells_who_asks_and_nobody_else_does(public: Flask, app: Flask) -> None:
    for made, expected in ((public, "198.51.100.7"), (app, "127.0.0.1")):
        addresses: list[str | None] = []
        made.before_request_funcs.setdefault(None, []).insert(0, _note(addresses))
        try:
            made.test_client().get(
                "/livez",
                base_url="http://books.example" if made is public else "http://localhost",
                headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7", "X-Forwarded-Host": "evil.example"},
            )
        finally:
            made.before_request_funcs[None].pop(0)
        assert addresses == [expected]


def _note(addresses: list[str | None]) -> Any:
    def note() -> None:
        addresses.append(request.remote_addr)

    return note
