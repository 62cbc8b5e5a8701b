"""CORS is closed; a workspace opens its JSON API to the origins that it names, never with cookies, and nothing else."""

from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from tenants.office.origins.rules import clean_origin
from tests.cast import Cast

ORIGIN = "https://intranet.example.org"
ASKING = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def cors(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


def test_an_origin_is_let_in_where_its_workspace_names_it_and_nowhere_else(cast: Cast, app: Flask) -> None:
    call, client = f"/api/v1/t/{cast.acme.slug}/accounts", app.test_client()
    assert cors(client.options(call, headers=ASKING)) == {}, "closed until somebody opens it"
    saved = cast.alice.post(f"/t/{cast.acme.slug}/origins", {"origins": f"{ORIGIN}:443/\nhttp://localhost:5173"})
    assert saved.status_code == 303
    assert cast.carol.api("GET", "/origins").json == {"origins": [ORIGIN, "http://localhost:5173"]}
    assert ORIGIN in cast.alice.browser().get(f"/t/{cast.acme.slug}/origins").text

    preflight = client.options(call, headers=ASKING)
    assert preflight.status_code == 204 and preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in preflight.headers and "Origin" in preflight.headers["Vary"]
    answer = cast.alice.api("GET", "/accounts", headers={"Origin": ORIGIN})
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "RateLimit" in answer.headers["Access-Control-Expose-Headers"]
    account = {"name": "Bank", "kind": "asset", "currency": "EUR"}
    foreign = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}
    assert cast.alice.api("POST", "/accounts", json=account, headers=foreign).status_code == 201
    refused = client.get(call, headers={"Origin": ORIGIN})
    assert refused.status_code == 401 and refused.headers["Access-Control-Allow-Origin"] == ORIGIN

    for origin in ("https://evil.example", "null", f"{ORIGIN}.evil.example", ORIGIN.replace("https", "http"), ""):
        assert cors(client.options(call, headers=ASKING | {"Origin": origin})) == {}
        assert cors(cast.alice.api("GET", "/accounts", headers={"Origin": origin})) == {}
    for path in (f"/api/v1/t/{cast.bravo.slug}/accounts", f"/t/{cast.acme.slug}/accounts", "/api/v1/openapi.json", "/"):
        assert cors(client.options(path, headers=ASKING)) == {}
        assert cors(cast.alice.browser().get(path, headers={"Origin": ORIGIN})) == {}
    signed_in = cast.alice.browser().get(call, headers={"Origin": ORIGIN})
    assert signed_in.status_code == 401, "a cookie opens no call"

    wrongs = ("*", "https://*.example.org", "null", f"{ORIGIN}/path", "http://intranet.example.org", "javascript:x")
    for wrong in wrongs:
        told = cast.alice.api("PUT", "/origins", json={"origins": [wrong]})
        assert told.status_code == 422 and "origins" in str(told.json["errors"]), wrong
    assert cast.alice.api("PUT", "/origins", json={"origins": []}).status_code == 200
    assert cors(client.options(call, headers=ASKING)) == {}
    assert cast.bob.api("PUT", "/origins", json={"origins": [ORIGIN]}).status_code == 403


@given(st.text(max_size=40) | st.from_regex(r"https?://[a-z*.@:\[\]/0-9-]{1,30}", fullmatch=True))
def test_an_origin_is_read_as_browsers_write_it_or_refused(text: str) -> None:
    try:
        found = clean_origin(text)
    except ValueError:
        return
    assert clean_origin(found) == found
    assert found.startswith(("https://", "http://localhost", "http://127.0.0.1", "http://[::1]"))
    assert not set("*@ ?#") & set(found) and found.count("/") == 2


@pytest.mark.parametrize(("said", "kept"), [("HTTPS://Bücher.example:443/", "https://xn--bcher-kva.example")])
def test_names_and_ports_have_one_form(said: str, kept: str) -> None:
    assert clean_origin(said) == kept
