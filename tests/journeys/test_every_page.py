"""Every page, opened in a browser by all who may: nothing complains, nothing overflows, axe-core finds nothing."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, ConsoleMessage, Page
from playwright.sync_api import Error as PlaywrightError
from sqlalchemy import Engine

from tests import atlas
from tests.cast import Person
from tests.furnished import Furnished, furnish
from tests.journeys.conftest import AXE
from webapp.settings import Settings
from webapp.web.state import KEY

PHONE, SMALLEST, DESK = 390, 320, 1280
SEE_OTHER, UNPROCESSABLE = 303, 422
PUBLIC = {
    "addresses.confirmation",
    "addresses.verification",
    "api_docs.docs",
    "api_problems.problems",
    "identity.first_operator",
    "identity.sign_in",
    "identity.sign_in_link",
    "recovery.mailed_link",
    "recovery.new_password",
    "recovery.password_reset",
    "recovery.sent",
    "recovery.sign_in_by_mail",
    "sso.finish",
    "sso.organisation",
    "sso.start",
    "sso.start_of_workspace",
    "tenancy.invitation",
}
"""Pages without a person; they are looked at once, signed out."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]

LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(
    `${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
"""
LOOK = """() => ({
  violations: window.violations,
  headings: document.querySelectorAll("h1").length,
  heading: document.querySelector("h1")?.textContent.trim() ?? "",
  title: document.title, lang: document.documentElement.lang, dir: document.documentElement.dir,
  twice: [...document.querySelectorAll("[id]")].map((one) => one.id).filter((id, n, all) => all.indexOf(id) !== n),
})"""
SEND_EMPTY = """(path) => {
  const form = [...document.forms].find(
    (one) => new URL(one.action).pathname === path.split("?")[0] && one.method === "post");
  const fields = "input:not([type=hidden]):not([type=radio]):not([type=checkbox]), textarea";
  if (!form) return false;
  for (const field of form.querySelectorAll(fields))
    field.value = "";
  form.noValidate = true;
  form.requestSubmit();
  return true;
}"""
QUIET_SECONDS = 5.0
QUIET = "() => 'htmx' in window && document.querySelectorAll('.htmx-request').length === 0"
UNFOLD = "() => document.querySelectorAll('main details:not([data-menu])').forEach((one) => { one.open = true; })"
WIDTH = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
WIDEST = """() => [...document.querySelectorAll("body *")].filter((one) => {
  const box = one.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1) && getComputedStyle(one).position !== "absolute";
}).slice(0, 3).map((one) => one.outerHTML.slice(0, 120))"""
AXE_RUN = """(rules) => axe.run(document,
  {runOnly: {type: "tag", values: rules}, resultTypes: ["violations"], preload: false})
  .then((result) => result.violations.flatMap((one) =>
    one.nodes.slice(0, 2).map((node) => `${one.id}: ${node.html.slice(0, 160)}`)))"""


@dataclass
class Looker:
    """One visitor's browser, and everything that was wrong on the pages it has seen."""

    page: Page
    faults: list[str] = field(default_factory=list)
    _said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.add_init_script(LISTEN)
        self.page.add_init_script(path=AXE)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._said.append(f"script error: {error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        about_itself = message.location.get("url", "").partition("#")[0] == self.page.url.partition("#")[0]
        if (
            message.type in {"error", "warning"}
            and "status of 422" not in message.text
            and not ("status of 4" in message.text and about_itself)
        ):
            self._said.append(f"console: {message.text}")

    def fault(self, what: str) -> None:
        """Note a fault of the present page."""
        self.faults.append(
            f"{self.page.url.partition('//')[2].partition('/')[2]} [{self.page.viewport_size['width']}] {what}"
        )  # type: ignore[index]

    def open(self, address: str) -> dict[str, Any]:
        """Open a page and look at what every page must have."""
        self.page.set_viewport_size({"width": DESK, "height": 900})
        try:
            self.page.goto(address)
        except PlaywrightError as error:
            self.fault(f"{address} does not load: {error.message.splitlines()[0]}")
        self.page.evaluate(UNFOLD)
        return self.look()

    def look(self) -> dict[str, Any]:
        """Look at what every page must have."""
        end = time.monotonic() + QUIET_SECONDS
        while not self.page.evaluate(QUIET):
            if time.monotonic() > end:
                self.fault("never comes to rest")
                break
        seen: dict[str, Any] = self.page.evaluate(LOOK)
        if seen["headings"] != 1 or not seen["heading"]:
            self.fault(f"has {seen['headings']} h1: {seen['heading']!r}")
        if not seen["title"].removesuffix("· Comptoir").strip():
            self.fault("has no title of its own")
        if not seen["lang"] or seen["dir"] not in {"ltr", "rtl"}:
            self.fault(f"has lang {seen['lang']!r}, dir {seen['dir']!r}")
        for what in [
            *(f"policy violation: {one}" for one in seen["violations"]),
            *self._said,
            *(f"the id {one} is there twice" for one in seen["twice"]),
        ]:
            self.fault(what)
        self._said.clear()
        return seen

    def see(self, address: str) -> None:
        """Open a page and examine it in light on a desk and in dark on a phone."""
        self.open(address)
        self.examine()
        self.measure(SMALLEST)
        self.examine(dark=True, width=PHONE)
        self.measure(PHONE)

    def measure(self, *widths: int) -> None:
        """Find what makes the page scroll sideways at these widths."""
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": 900})
            if (over := self.page.evaluate(WIDTH)) > 0:
                self.fault(f"scrolls sideways by {over} px: {self.page.evaluate(WIDEST)}")

    def examine(self, *, dark: bool = False, width: int = DESK) -> None:
        """Run axe-core."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
        for found in self.page.evaluate(AXE_RUN, RULES):
            self.fault(f"{'dark' if dark else 'light'}: axe {found}")


@pytest.fixture(scope="module")
def made(app: Flask, owner: Engine, settings: Settings) -> Furnished:
    return furnish(app, owner, settings)


@pytest.fixture
def look(chromium: Browser, live: str) -> Iterator[Any]:
    contexts = []

    def begin(person: Person | None, **options: Any) -> Looker:
        context = chromium.new_context(base_url=live, locale="en-GB", reduced_motion="reduce", **options)
        contexts.append(context)
        context.set_default_timeout(30_000)
        if person is not None:
            with person.app.extensions[KEY].database.platform() as session:
                person.sign_in(session)  # the one that filled the workspace may be too old to be taken at its word
            context.add_cookies([{"name": "comptoir", "value": person.session_secret, "url": live}])
        return Looker(context.new_page())

    yield begin
    for context in contexts:
        context.close()


def walk_of(made: Furnished, person: Person) -> atlas.Walk:
    starts, unknown = atlas.addresses(made.cast.app, made)
    assert unknown == [], "tests/furnished.py does not say what stands in these addresses"
    return atlas.walk(made.cast.app, person.browser(), starts)


def pages_of(made: Furnished, person: Person) -> list[atlas.Page]:
    """Return the pages that are a person's own."""
    pages = atlas.worth_a_look(walk_of(made, person))
    return [page for page in pages if endpoint_of(made, page.address) not in PUBLIC]


def kinds(made: Furnished, pages: list[atlas.Page]) -> list[str]:
    """Return the addresses of one page of each kind."""
    found: dict[str, str] = {}
    for page in pages:
        found.setdefault(f"{atlas.signature(made.cast.app, page.address)} {page.status}", page.address)
    return list(found.values())


def endpoint_of(made: Furnished, address: str) -> str:
    """Return the endpoint behind an address."""
    return atlas.signature(made.cast.app, address).partition("?")[0]


class TestRoutes:
    def test_every_route_is_visited_and_every_link_leads_somewhere(self, made: Furnished) -> None:
        walked, platform = walk_of(made, made.alice), walk_of(made, made.cast.olga)
        assert walked.broken + platform.broken == []
        every = {rule.endpoint for rule in atlas.page_rules(made.cast.app)}
        assert every - walked.endpoints - platform.endpoints == set()

    def test_signed_out_everything_leads_to_the_sign_in(self, made: Furnished, look: Any) -> None:
        looker, stranger = look(None), made.cast.app.test_client()
        starts, _unknown = atlas.addresses(made.cast.app, made)
        opened = []
        for address in starts:
            answer = stranger.get(address)
            if answer.status_code != SEE_OTHER:
                assert endpoint_of(made, address) in PUBLIC, address
                if answer.status_code < UNPROCESSABLE and answer.mimetype == "text/html":
                    opened.append(address)
            elif endpoint_of(made, address) != "second_step.ask":
                assert answer.headers["Location"].startswith("/sign-in?next="), address
        for address in [*opened, "/nowhere", "/sign-in?next=/profile"]:
            looker.see(address)
        assert not looker.faults, "\n".join(looker.faults)


def sound_for_the_owner(made: Furnished, looker: Looker, *, imports: bool) -> None:
    """See the owner's pages, all of a kind where their state makes them different; the import wizard's or the rest."""
    pages = pages_of(made, made.alice)
    first = set(kinds(made, pages))
    here = f"/t/{made.acme.slug}/"
    seen = 0
    for page in pages:
        in_imports = page.address.startswith(f"{here}imports")
        by_state = page.address.startswith((f"{here}entries/", f"{here}accounts/", f"{here}imports/"))
        if in_imports == imports and (page.address in first or by_state):
            looker.see(page.address)
            seen += 1
    assert seen > 10
    assert not looker.faults, "\n".join(looker.faults)


class TestOwner:
    def test_every_page_is_sound(self, made: Furnished, look: Any) -> None:
        sound_for_the_owner(made, look(made.alice), imports=False)


class TestOwnerImports:
    def test_every_page_of_an_import_is_sound(self, made: Furnished, look: Any) -> None:
        sound_for_the_owner(made, look(made.alice), imports=True)


class TestOthers:
    def test_every_page_is_sound_for_the_operator(self, made: Furnished, look: Any) -> None:
        looker = look(made.cast.olga)
        for address in kinds(
            made,
            [page for page in pages_of(made, made.cast.olga) if not page.address.startswith("/t/")],
        ):
            looker.see(address)
        assert not looker.faults, "\n".join(looker.faults)

    def test_every_page_is_sound_for_the_auditor(self, made: Furnished, look: Any) -> None:
        looker = look(made.carol)
        for address in kinds(made, pages_of(made, made.carol)):
            looker.open(address)
            looker.measure(PHONE)
        assert not looker.faults, "\n".join(looker.faults)

    def test_every_page_is_sound_from_right_to_left(self, made: Furnished, look: Any) -> None:
        looker = look(made.cast.dave)
        answer = made.cast.dave.post(
            "/profile", {"name": "ديف", "language": "ar", "theme": "dark", "density": "compact"}
        )
        assert answer.status_code == SEE_OTHER
        for address in kinds(made, pages_of(made, made.cast.dave)):
            seen = looker.open(address)
            if (seen["lang"], seen["dir"]) != ("ar", "rtl"):
                looker.fault(f"is {seen['lang']}, {seen['dir']}")
            looker.measure(SMALLEST, PHONE, DESK)
        assert not looker.faults, "\n".join(looker.faults)


class TestRefusedForms:
    def test_every_form_that_is_sent_empty_comes_back_sound(self, made: Furnished, look: Any) -> None:
        looker, client = look(made.alice), made.alice.browser()
        starts, _unknown = atlas.addresses(made.cast.app, made)
        walked = atlas.walk(made.cast.app, client, starts)
        refused = [page for page in atlas.refusals(client, walked) if page.status == UNPROCESSABLE]
        assert len(refused) > 5
        sent = 0
        for page in refused:
            looker.open(page.endpoint)
            path = page.address.removeprefix("http://localhost")
            if not looker.page.evaluate(SEND_EMPTY, path):
                continue  # an earlier form has changed the page
            sent += 1
            try:
                looker.page.wait_for_selector(
                    "[aria-invalid=true], [role=alert], [data-trouble], .toast--danger", timeout=8000
                )
            except PlaywrightError:
                looker.fault(f"says nothing when {path} is sent empty")
            looker.look()
            looker.examine()
            looker.measure(PHONE)
        assert sent > 5
        assert not looker.faults, "\n".join(looker.faults)
