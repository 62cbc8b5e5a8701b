"""Who is asked for is the short name in the address and nothing else: no header, no spelling, no other host."""

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from tenants import door
from tests.webapp.tenancy.contents import Nest
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.stage import Stage
from webapp.app import create_app
from webapp.tenancy import queries
from webapp.web import headers
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


def confused_by_header(stage: Stage, template: str, *, named: Nest, asked: Nest) -> list[str]:
    """Ask for one workspace as A's owner with a header that names another; return what went wrong."""
    found = []
    name, _, value = template.format(slug=named.workspace.slug, id=named.workspace.ref.id).partition(": ")
    for path in PATHS:
        answer = ask(stage, stage.a, path.format(asked.workspace.slug), {name: value})
        body = answer.get_data(as_text=True)
        if stage.b.canary in body.replace(value, "").replace(asked.workspace.slug, ""):
            found.append(f"{path} shows B")
        if answer.status_code not in ({200, 303} if asked is stage.a else {303, 404}):
            found.append(f"{path} answers {answer.status_code}")
        if asked is stage.a and answer.status_code == 200 and stage.a.canary not in body:
            found.append(f"{path} does not show A")
    return found


@pytest.mark.parametrize("template", CONFUSING)
def test_a_header_that_names_b_changes_nothing(stage: Stage, template: str):
    assert confused_by_header(stage, template, named=stage.b, asked=stage.a) == []


@pytest.mark.parametrize("template", CONFUSING)
def test_a_header_that_names_a_does_not_open_b(stage: Stage, template: str):
    assert confused_by_header(stage, template, named=stage.a, asked=stage.b) == []


@pytest.mark.parametrize("header", ["X-Tenant", "X-Workspace"])
def test_a_build_that_takes_the_workspace_from_a_header_turns_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, header: str
):
    mutate(monkeypatch, door._take_slug, "g.slug = ", f"g.slug = request.headers.get({header!r}) or ")
    assert confused_by_header(stage, header + ": {slug}", named=stage.b, asked=stage.a)
    assert confused_by_header(stage, header + ": {slug}", named=stage.a, asked=stage.b)


def test_a_build_that_takes_the_workspace_from_the_host_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    mutate(
        monkeypatch,
        door._take_slug,
        "g.slug = ",
        "g.slug = request.host.removesuffix('.localhost') if request.host.endswith('.localhost') else ",
    )
    assert confused_by_header(stage, "Host: {slug}.localhost", named=stage.b, asked=stage.a)


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
    assert opened_by_spelling(stage, spelling) == []


def opened_by_spelling(stage: Stage, spelling: str) -> list[str]:
    """Ask as A's owner for both workspaces under another spelling of their names; return what went wrong."""
    found = []
    for nest in (stage.a, stage.b):
        slug, identity = nest.workspace.slug, nest.workspace.ref.id
        wide = "".join(chr(ord(one) + 0xFEE0) for one in slug)
        written = spelling.format(slug=slug, upper=slug.upper(), wide=wide, id=identity, hex=identity.hex)
        for path in PATHS:
            answer = ask(stage, stage.a, path.format(written))
            shown = answer.get_data(as_text=True).replace(slug, "").replace(slug.upper(), "")
            if answer.status_code not in {308, 404, 405}:
                found.append(f"{written} answers {answer.status_code}")
            if f"asset {nest.canary}" in shown or (nest is stage.b and nest.canary in shown):
                found.append(f"{written} shows what is in it")
    return found


@pytest.mark.parametrize(
    ("spelling", "forgives"), [("{upper}", ".lower()"), ("{slug}%20", ".strip()"), ("{slug}.", ".rstrip('.')")]
)
def test_a_build_that_forgives_another_spelling_turns_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, spelling: str, forgives: str
):
    mutate(monkeypatch, door._place_of, "slug=g.slug", f"slug=g.slug{forgives}")
    assert opened_by_spelling(stage, spelling)


def test_a_build_that_takes_wide_letters_for_the_same_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    membership = queries.membership

    def forgiving(*, slug: str, **rest: Any) -> Any:
        return membership(slug=unicodedata.normalize("NFKC", slug), **rest)

    monkeypatch.setattr(queries, "membership", forgiving)
    assert opened_by_spelling(stage, "{wide}")


def test_a_method_cannot_be_smuggled_in(stage: Stage):
    path = f"/api/v1/t/{stage.a.workspace.slug}/accounts/1000"
    for extra in ({"X-HTTP-Method-Override": "DELETE"}, {"X-Method-Override": "PUT"}):
        assert ask(stage, stage.a, path, extra).status_code == 200
    assert ask(stage, stage.a, path + "?_method=DELETE").status_code == 200


@pytest.fixture(scope="module")
def public_app(stage: Stage) -> Iterator[Flask]:
    """Return the application as it runs in public: with the names of its hosts."""
    settings = replace(
        stage.app.extensions[KEY].settings,
        mode="production",
        base_url="https://books.example:8443",
        allowed_hosts="",
    )
    made = create_app(settings, database=stage.database)
    yield made
    made.extensions[KEY].redis.close()


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


@pytest.mark.parametrize("forgotten", ["netloc.lower()", "netloc"])
def test_a_build_that_serves_any_host_turns_red(stage: Stage, monkeypatch: pytest.MonkeyPatch, forgotten: str):
    if forgotten == "netloc":
        mutate(monkeypatch, headers.known_hosts, "(named or settings.secure)", "False")
    else:
        mutate(monkeypatch, headers.known_hosts, ".netloc.lower()", ".hostname")
    settings = replace(stage.app.extensions[KEY].settings, mode="production", base_url="https://books.example:8443")
    app = create_app(settings, database=stage.database)
    statuses = [
        app.test_client().get("/", headers={"Host": host}).status_code for host in ("books.example", "evil.example")
    ]
    app.extensions[KEY].redis.close()
    assert statuses != [400, 400]


def test_health_is_told_under_any_host(public_app: Flask):
    assert public_app.test_client().get("/livez", headers={"Host": "10.0.0.7:8000"}).status_code == 200
