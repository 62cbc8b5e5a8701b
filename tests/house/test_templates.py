"""Every template compiles, and every one is rendered by somebody's walk through all pages, with nothing undefined."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import StrictUndefined, Undefined, UndefinedError
from jinja2.runtime import missing
from pyotp import TOTP
from sqlalchemy import Engine

from tests import atlas
from tests.furnished import Furnished, furnish
from tests.hands import submit
from webapp.app import create_app
from webapp.identity.links import make_link
from webapp.mail import letters
from webapp.settings import Settings
from webapp.web.state import KEY

TEMPLATES = Path(__file__).parents[2] / "templates"
NAMES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())


class Strict(StrictUndefined):
    """Fails for names and for attributes of objects; what a dict of values or errors lacks is empty, as it is."""

    __slots__ = ()

    def __new__(cls, hint: Any = None, obj: Any = missing, name: Any = None, exc: Any = UndefinedError) -> Any:
        return Undefined(hint, obj, name, exc) if isinstance(obj, Mapping) else super().__new__(cls)


@pytest.fixture(scope="module")
def strict(settings: Settings, owner: Engine) -> Any:
    """Return the application with a template that asks for what was not given failing, not falling silent."""
    made = create_app(settings)
    made.testing = True
    made.config["RAISE_UNEXPECTED"] = True
    made.jinja_env.undefined = Strict
    yield made
    made.extensions[KEY].database.close()


@pytest.fixture(scope="module")
def used(strict: Flask) -> set[str]:
    """Return the names of the templates that were asked for, and go on collecting them."""
    names: set[str] = set()
    found = strict.jinja_env.get_template

    def note(name: Any, *args: Any, **kwargs: Any) -> Any:
        template = found(name, *args, **kwargs)
        names.add(str(template.name))
        return template

    strict.jinja_env.get_template = note  # type: ignore[method-assign]
    return names


@pytest.fixture(scope="module")
def made(strict: Flask, owner: Engine, settings: Settings, used: set[str]) -> Furnished:
    return furnish(strict, owner, settings)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_compiles(strict: Flask, name: str) -> None:
    folder, _slash, letter = name.partition("/")
    environment = letters._press("en") if folder == "mail" else strict.jinja_env
    assert environment.get_or_select_template(letter if folder == "mail" else name).name


def take_both_steps(strict: Flask, made: Furnished) -> None:
    """Let Olga set an app up, and sign in by a link as far as the second step."""
    client, services = made.cast.olga.browser(), strict.extensions[KEY]
    shown = client.get("/profile/security/app").text
    secret = re.search(r'id="secret">([A-Z2-7 ]+)<', shown)
    assert secret
    code = TOTP(secret[1].replace(" ", "")).now()
    fields = dict(re.findall(r'name="(csrf_token|shared)" value="([^"]+)"', shown))
    assert client.post("/profile/security/app", data={**fields, "code": code}).status_code == 201
    link = services.new_secret()
    with services.database.platform() as session:
        make_link(session=session, at=services.clock(), secret=link, purpose="sign_in", person_id=made.cast.olga.id)
    visitor = strict.test_client()
    answer = submit(visitor, f"/sign-in/{link}", f"/sign-in/{link}")
    assert visitor.get(answer.headers["Location"]).status_code == 200


def test_every_template_is_rendered_and_asks_for_nothing_that_is_not_given(
    strict: Flask, made: Furnished, used: set[str]
) -> None:
    starts, unknown = atlas.addresses(strict, made)
    assert unknown == []
    signed_out = strict.test_client()
    for address in starts:
        assert signed_out.get(address).status_code < atlas.SERVER_ERROR
    atlas.walk(strict, made.cast.mallory.browser(), [f"/t/{made.cast.bravo.slug}/", "/"])
    for person in (made.carol, made.cast.bob, made.cast.olga, made.alice):
        client = person.browser()
        walked = atlas.walk(strict, client, starts)
        assert walked.broken == []
        assert [page for page in walked.pages if page.status >= atlas.SERVER_ERROR] == []
    token = next(form.fields["csrf_token"] for form in walked.forms if "csrf_token" in form.fields)
    told = client.post(
        f"/t/{made.acme.slug}/entries/changes",
        headers={"HX-Request": "true", "HX-Request-Type": "partial"},
        data={"csrf_token": token, "act": "cleared", "ids": str(made.ids["entry_id"][0])},
    )
    assert told.status_code == 200
    ticked = client.post(
        f"/t/{made.acme.slug}/reconciliations/{made.ids['reconciliation_id'][1]}/ticks",
        headers={"HX-Request": "true", "HX-Request-Type": "partial"},
        data={"csrf_token": token, "ticked": "0", "entry_id": str(made.ids["entry_id"][0])},
    )
    assert ticked.status_code == 200
    late = made.alice.browser().post(
        "/profile", data={"csrf_token": token, "name": "Alice"}, headers={"Origin": "http://localhost"}
    )
    assert late.status_code == 403
    for refused in atlas.refusals(client, walked):
        assert refused.status < atlas.SERVER_ERROR
    take_both_steps(strict, made)
    assert made.alice.post(made.consent, {"answer": "no"}).status_code == 200
    provider = {"name": "Acme", "issuer": "https://sso.example.org", "client_id": "x", "client_secret": "y"}
    assert made.alice.api("PUT", "/single-sign-on", json=provider).status_code == 200
    assert made.alice.post("/sign-in/through", {"workspace": made.acme.slug}).status_code == 200
    assert {name for name in NAMES if name.endswith(".html") and not name.startswith("mail/")} - used == set()
