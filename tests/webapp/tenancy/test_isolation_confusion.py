"""Who is asked for is the short name in the address and nothing else: no header, no spelling, no other host."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from tests.webapp.tenancy.contents import Nest
from tests.webapp.tenancy.stage import Stage
from webapp.app import create_app
from webapp.web.state import KEY

CONFUSING = [
    "X-Forwarded-Host: {slug}.example",
    "Forwarded: host={slug}.example",
    "X-Tenant-ID: {id}",
    "X-Tenant: {slug}",
    "X-Workspace: {slug}",
    "X-Original-URL: /t/{slug}/accounts",
    "X-Rewrite-URL: /api/v1/t/{slug}/accounts",
    "X-Forwarded-Prefix: /t/{slug}",
    "X-Script-Name: /t/{slug}",
    "X-HTTP-Method-Override: DELETE",
    "Referer: http://localhost/t/{slug}/accounts",
    "HX-Current-URL: http://localhost/t/{slug}/accounts",
    "Host: {slug}.localhost",
    "X-Forwarded-For: 127.0.0.1",
]
PATHS = ["/t/{}/accounts", "/api/v1/t/{}/accounts", "/api/v1/t/{}/entries"]


def ask(stage: Stage, nest: Nest, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
    client = nest.owner.browser()
    token = {"Authorization": f"Bearer {nest.owner.token}"} if path.startswith("/api/") else {}
    return client.get(path, headers={**token, **(headers or {})}, **kwargs)


@pytest.mark.parametrize("template", CONFUSING)
def test_a_header_that_names_b_changes_nothing(stage: Stage, template: str):
    name, _, value = template.format(slug=stage.b.workspace.slug, id=stage.b.workspace.ref.id).partition(": ")
    for path in PATHS:
        answer = ask(stage, stage.a, path.format(stage.a.workspace.slug), {name: value})
        body = answer.get_data(as_text=True)
        assert answer.status_code in {200, 303}
        assert stage.b.canary not in body.replace(value, "")
        assert answer.status_code == 303 or stage.a.canary in body


@pytest.mark.parametrize("template", CONFUSING)
def test_a_header_that_names_a_does_not_open_b(stage: Stage, template: str):
    name, _, value = template.format(slug=stage.a.workspace.slug, id=stage.a.workspace.ref.id).partition(": ")
    for path in PATHS:
        answer = ask(stage, stage.a, path.format(stage.b.workspace.slug), {name: value})
        assert answer.status_code in {303, 404}


@pytest.mark.parametrize(
    "spelling",
    [
        "{upper}",
        "{slug}.",
        "{slug}%20",
        "%20{slug}",
        "{slug}%00",
        "{slug}%2f",
        "{slug};a=1",
        "{slug}:80",
        "{slug}@x",
        "./{slug}",
        "../t/{slug}",
        "{slug}/..",
        "%2e%2e/t/{slug}",
        "{slug}%252f",
        "{wide}",
        "{slug}\\",
        "//{slug}",
        "{id}",
        "t_{hex}",
        "{slug}%0d%0aX-Tenant: b",
        "*",
        "%25",
        "_",
        "platform",
    ],
)
def test_another_spelling_opens_nothing(stage: Stage, spelling: str):
    for nest in (stage.a, stage.b):
        slug, identity = nest.workspace.slug, nest.workspace.ref.id
        wide = "".join(chr(ord(one) + 0xFEE0) for one in slug)
        written = spelling.format(slug=slug, upper=slug.upper(), wide=wide, id=identity, hex=identity.hex)
        for path in PATHS:
            answer = ask(stage, stage.a, path.format(written))
            assert answer.status_code in {308, 404, 405}, (written, answer.status_code)
            shown = answer.get_data(as_text=True).replace(slug, "").replace(slug.upper(), "")
            assert f"asset {nest.canary}" not in shown
            assert nest is stage.a or nest.canary not in shown


def test_a_method_cannot_be_smuggled_in(stage: Stage):
    path = f"/api/v1/t/{stage.a.workspace.slug}/accounts/1000"
    for extra in ({"X-HTTP-Method-Override": "DELETE"}, {"X-Method-Override": "PUT"}):
        assert ask(stage, stage.a, path, extra).status_code == 200
    assert ask(stage, stage.a, path + "?_method=DELETE").status_code == 200


@pytest.fixture(scope="module")
def public_app(stage: Stage) -> Flask:
    """Return the application as it runs in public: with the names of its hosts."""
    settings = replace(
        stage.app.extensions[KEY].settings,
        mode="production",
        base_url="https://books.example:8443",
        allowed_hosts="",
    )
    return create_app(settings, database=stage.database)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("books.example:8443", 302),
        ("BOOKS.example:8443", 302),
        ("books.example", 400),
        ("books.example.:8443", 400),
        ("evil.example", 400),
        ("books.example:80", 400),
        ("books.example:8443.evil", 400),
        ("", 400),
    ],
)
def test_only_the_hosts_of_the_installation_are_served(public_app: Flask, host: str, status: int):
    answer = public_app.test_client().get("/", headers={"Host": host})
    assert (answer.status_code in {302, 303}) if status == 302 else answer.status_code == 400


def test_health_is_told_under_any_host(public_app: Flask):
    assert public_app.test_client().get("/livez", headers={"Host": "10.0.0.7:8000"}).status_code == 200
