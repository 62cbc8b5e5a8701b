"""What an attacker does to forms: sends them from elsewhere, without or with a stolen token, and with more in them."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import UUID

from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.cast import Cast, Person
from webapp.identity.door import safe_next
from webapp.web.state import KEY

ROOT = Path(__file__).parents[3]
NOT_FORMS = ("/api/", "/.well-known/")
NOWHERE = {"int": "999999999", "uuid": str(UUID(int=7))}
SAME = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}


def forms(app: Flask, slug: str) -> list[str]:
    """Return where the product takes forms, under ids of nothing."""
    found = []
    for rule in app.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and not rule.rule.startswith(NOT_FORMS) and "/access/v1/" not in rule.rule:
            path = rule.rule.replace("<slug>", slug).replace("<string:slug>", slug)
            found.append(re.sub(r"<(?:(\w+)(?:\(.*?\))?:)?\w+>", lambda part: NOWHERE.get(part[1], "nowhere"), path))
    return sorted(found)


def token_of(person: Person, client: Any) -> str:
    """Return the form token that a person's browser has."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/profile").text)
    assert found
    return found[1]


def test_every_form_is_refused_without_its_token_with_somebody_elses_and_from_another_site(cast: Cast) -> None:
    client, taken = cast.alice.browser(), []
    own, strange = token_of(cast.alice, client), token_of(cast.mallory, cast.mallory.browser())
    tried: tuple[tuple[dict[str, str], dict[str, str]], ...] = (
        ({}, SAME),
        ({"csrf_token": strange}, SAME),
        ({"csrf_token": own}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf_token": own}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf_token": own}, {"Origin": "https://evil.example"}),
        ({"csrf_token": own}, {"Origin": "null"}),
    )
    paths = forms(cast.app, cast.acme.slug)
    assert len(paths) > 80
    for place, path in enumerate(paths):
        # Each form by one of them, and those of a person by three: who asks is looked at before what is asked.
        for data, headers in [tried[(place + step) % len(tried)] for step in range(1 if path.startswith("/t/") else 3)]:
            status = client.post(path, data=data, headers=headers).status_code
            taken += [(path, data, headers, status)] if status != 403 else []
    assert taken == []
    assert client.get("/profile").status_code == 200, "not even the way out was taken"


MORE = {
    "is_operator": "true",
    "email": "taken-over@example.org",
    "email_verified_at": "2020-01-01",
    "password_hash": "x",
    "disabled_at": "2020-01-01",
    "created_at": "2020-01-01",
    "role": "owner",
}
WAYS_OUT = ("/sign-out", "/sign-in", "/sessions/revocation")


def test_no_form_of_a_person_writes_what_it_does_not_ask_for(cast: Cast) -> None:
    client = cast.bob.browser()
    mine = {"id": str(cast.mallory.id), "person_id": str(cast.mallory.id), "tenant_id": str(cast.bravo.ref.id)}
    query = text(
        "SELECT id, email_blind, email_verified_at, is_operator, password_hash, disabled_at, created_at FROM person"
    )
    places = text("SELECT tenant_id, person_id, role FROM membership ORDER BY 1, 2")
    database = cast.app.extensions[KEY].database
    with database.platform() as session:
        before = {row[0]: tuple(row) for row in session.execute(query)}, session.execute(places).all()
    data = {"csrf_token": token_of(cast.bob, client), "name": "Bob the second", **MORE, **mine}
    for path in forms(cast.app, cast.acme.slug):
        if not path.startswith("/t/") and not any(way in path for way in WAYS_OUT):
            assert client.post(path, data=data, headers=SAME).status_code < 500, path
    with database.platform() as session:
        assert ({row[0]: tuple(row) for row in session.execute(query)}, session.execute(places).all()) == before
    assert "Bob the second" in client.get("/profile").text, "what it asks for is written"


def test_no_call_takes_a_field_that_it_does_not_describe() -> None:
    told = json.loads((ROOT / "docs" / "openapi.json").read_text())
    open_ones, bodies = [], 0
    for path, item in told["paths"].items():
        for method, call in item.items():
            body = call.get("requestBody", {}).get("content", {}) if isinstance(call, dict) else {}
            name = body.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
            bodies += bool(name)
            if name and told["components"]["schemas"][name].get("additionalProperties") is not False:
                open_ones.append(f"{method} {path}: {name}")
    assert bodies > 40
    assert [one for one in open_ones if "/access/v1/" not in one] == [], "AuthZEN alone lets others say more"


@settings(max_examples=60)
@given(st.text(alphabet="/\\:@?#.%;ehlipstv \t\r\n\0\u2044\uff0f", max_size=16) | st.text(max_size=12))
def test_wherever_one_is_sent_on_to_is_here(target: str) -> None:
    found = safe_next(target)
    # As browsers read it: they drop tabs and line breaks, and take a backslash for a slash.
    read = re.sub(r"[\t\r\n]", "", found).replace("\\", "/").strip()
    assert urlsplit(urljoin("http://localhost/", read)).netloc == "localhost"
    assert found.startswith("/") and not read.startswith("//")


def test_nothing_that_names_a_way_onward_is_used_unread() -> None:
    wild = []
    for path in [*ROOT.glob("webapp/**/*.py"), *ROOT.glob("tenants/**/*.py")]:
        for line in path.read_text().splitlines():
            names = re.search(r"""(args|form)(\.get\(|\[)["'](next|confirm_to|confirm_leave|needed)["']""", line)
            wild += [f"{path.name}: {line.strip()}"] if names and "safe_next(" not in line else []
    assert wild == []
