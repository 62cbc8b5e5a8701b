"""Every page is rendered by somebody's walk, asks its template for nothing that is not given, and is valid HTML."""

import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from jinja2 import StrictUndefined, Undefined, UndefinedError
from jinja2.runtime import missing
from pyotp import TOTP
from sqlalchemy import Engine

from tenants.office.policies.journal import JOURNAL
from tests import atlas
from tests.furnished import Furnished, furnish
from tests.hands import submit
from webapp.app import create_app
from webapp.identity.links import make_link
from webapp.mail import letters
from webapp.settings import Settings
from webapp.web.state import KEY

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools"
CHECKER = TOOLS / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
EXAMPLES = 4
OUT_OF_CONTEXT = {
    "The “form” attribute must refer to a form element.",
    "This document has heading elements but none of them has a computed heading level of 1.",
}
"""True of a fragment alone; the page that it goes into has the form and the heading."""
SHELL = "<!doctype html><html lang=en><title>A fragment</title><body>{}</body></html>"
TABLE = SHELL.format("<table>{}</table>")
TEMPLATES = ROOT / "templates"
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
    made.extensions[JOURNAL].close()
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


@pytest.fixture(scope="module")
def checker() -> Path:
    """Return the Nu checker, installed once as `tests/tools/package-lock.json` says; CI does not go without it."""
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        needed = {"java": "default-jre-headless"} | ({} if CHECKER.exists() else {"npm": "npm"})
        for command, package in needed.items():
            if shutil.which(command) is None:
                why = f"The Nu HTML checker needs {command} (Debian: apt install {package})."
                pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
        if not CHECKER.exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(ROOT / "tests" / "tools" / name, TOOLS / name)
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=TOOLS,
                check=True,
                capture_output=True,
                timeout=300,
            )
    return CHECKER


def check(checker: Path, pages: list[tuple[str, str]], folder: Path) -> dict[str, list[str]]:
    """Return what is wrong with the pages (name, text) with examples, by one run of the checker."""
    names = {}
    for number, (name, html) in enumerate(pages):
        path = folder / f"{number}.html"
        path.write_text(html, encoding="utf-8")
        names[f"{number}.html"] = name
    ran = subprocess.run(
        [
            "java",
            "-Xss8m",
            "-XX:TieredStopAtLevel=1",
            "-jar",
            str(checker),
            "--format",
            "json",
            "--exit-zero-always",
            "--stdout",
            str(folder),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found: dict[str, list[str]] = {}
    for one in json.loads(ran.stdout)["messages"]:
        name = names[one["url"].rpartition("/")[2]]
        if " part " in name and one["message"] in OUT_OF_CONTEXT:
            continue
        found.setdefault(one["message"], []).append(f"{name}: {one.get('extract', '')[:200]!r}")
    return {message: where[:EXAMPLES] for message, where in found.items()}


def pages_of(walked: atlas.Walk, who: str) -> Iterator[tuple[str, str]]:
    """Yield every page and every fragment that a person has seen."""
    for page in atlas.worth_a_look(walked):
        yield f"{who} {page.address} ({page.status})", page.text
    for part in walked.parts:
        shell = TABLE if part.text.lstrip().startswith(("<tr", "<tbody")) else SHELL
        whole = part.text.lstrip().startswith("<!doctype")
        yield f"{who} part {part.address}", part.text if whole else shell.format(part.text)


@pytest.fixture(scope="module")
def seen(strict: Flask, made: Furnished) -> list[tuple[str, str]]:
    """Walk through everything as everybody, send every form empty, and return what an owner and others saw."""
    pages: list[tuple[str, str]] = []
    starts, unknown = atlas.addresses(strict, made)
    assert unknown == []
    signed_out = strict.test_client()
    for address in [*starts, "/nowhere", "/sign-in"]:
        answer = signed_out.get(address)
        assert answer.status_code < atlas.SERVER_ERROR
        if answer.mimetype == "text/html" and not answer.location:
            pages.append((f"signed out {address} ({answer.status_code})", answer.text))
    atlas.walk(strict, made.cast.mallory.browser(), [f"/t/{made.cast.bravo.slug}/", "/"])
    cast = made.cast
    for who, person in (("member", cast.bob), ("auditor", made.carol), ("operator", cast.olga), ("owner", made.alice)):
        client = person.browser()
        walked = atlas.walk(strict, client, starts)
        assert walked.broken == []
        assert [page for page in walked.pages if page.status >= atlas.SERVER_ERROR] == []
        pages += pages_of(walked, who) if who != "member" else ()
        refusals = atlas.refusals(client, walked) if who in {"operator", "auditor"} else ()
        pages += [(f"{who} refused {one.address} ({one.status})", one.text) for one in refusals if one.text]
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
        if refused.text:
            pages.append((f"owner refused {refused.address} ({refused.status})", refused.text))
    take_both_steps(strict, made)
    assert made.alice.post(made.consent, {"answer": "no"}).status_code == 200
    provider = {"name": "Acme", "issuer": "https://sso.example.org", "client_id": "x", "client_secret": "y"}
    assert made.alice.api("PUT", "/single-sign-on", json=provider).status_code == 200
    through = made.alice.post("/sign-in/through", {"workspace": made.acme.slug})
    assert through.status_code == 200
    return [*pages, ("on the way to a provider", through.text)]


@pytest.mark.usefixtures("seen")
def test_every_template_is_rendered_and_asks_for_nothing_that_is_not_given(used: set[str]) -> None:
    assert {name for name in NAMES if name.endswith(".html") and not name.startswith("mail/")} - used == set()


def test_every_page_is_valid_html(seen: list[tuple[str, str]], checker: Path, tmp_path: Path) -> None:
    assert len(seen) > 100
    found = check(checker, seen, tmp_path)
    assert not found, "\n".join(f"{message}\n    {where}" for message, places in found.items() for where in places)


def test_the_checker_finds_a_seeded_fault(checker: Path, tmp_path: Path) -> None:
    found = check(checker, [("seeded", SHELL.format("<p hx-get=/x><div id=a></div><i id=a></i>"))], tmp_path)
    assert any("hx-get" in message for message in found)
    assert any("Duplicate ID" in message for message in found)
    assert all(where.startswith("seeded") for examples in found.values() for where in examples)
