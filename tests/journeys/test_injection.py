"""What an attacker writes into every text field does nothing when the pages are opened, not even if escaping failed."""

from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Route
from sqlalchemy import Engine

from tests import atlas
from tests.cast import Person
from tests.furnished import Furnished, furnish
from webapp.settings import Settings

LISTEN = """
window.hits = []; window.violations = [];
window.ran = (how) => { window.hits.push(how ?? "?"); return true; };
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
"""
SHORT = '"><img src=x onerror=ran()>'
WORD = '"><script>ran()</script>'
SEEN = ("ran(", "scriptran")
"""What shows that a hostile text is on a page: as it was, or what an address keeps of it."""
MIDDLE = """"><script>ran(1)</script><img src=x onerror="ran(2)"><a href="javascript:ran(3)">go</a>{{7*7}}"""
LONG = (
    MIDDLE + """<svg onload="ran(4)"></svg><b hx-on::load="ran(5)" data-hx-on::load="ran(6)" data-hx-get="/nowhere" """
    """data-hx-trigger="load" data-hx-vals="js:{a:ran(7)}">"""
)
MARKUP = """() => document.querySelectorAll(
  "[onerror], [onload], a[href^='javascript:'], img[src=x], [data-hx-vals^='js:'], main script").length"""
TRIED = (
    LONG
    + "</b><details open ontoggle='ran(8)'></details><form><button formaction='javascript:ran(9)'>go</button></form>"
)


def hostile(field: str, length: int) -> str:
    """Write what runs where a field is not escaped, as long as it fits, told apart by the field's name."""
    if field == "email":
        return WORD
    return next(
        text for text in (f"{field} {LONG}", f"{field} {MIDDLE}", f"{field} {SHORT}", SHORT) if len(text) <= length
    )


@pytest.fixture(scope="module")
def made(app: Flask, owner: Engine, settings: Settings) -> Furnished:
    return furnish(app, owner, settings, hostile)


@pytest.fixture
def page(chromium: Browser, live: str) -> Iterator[Page]:
    context = chromium.new_context(base_url=live, locale="en-GB")
    context.set_default_timeout(30_000)
    page = context.new_page()
    page.add_init_script(LISTEN)
    yield page
    context.close()


def enter(page: Page, live: str, person: Person) -> None:
    page.context.add_cookies([{"name": "comptoir", "value": person.session_secret, "url": live}])


@pytest.mark.parametrize("who", ["owner", "operator"])
def test_hostile_texts_are_shown_and_do_nothing(made: Furnished, page: Page, live: str, who: str) -> None:
    person = made.alice if who == "owner" else made.cast.olga
    starts, _unknown = atlas.addresses(made.cast.app, made)
    pages = [
        one
        for one in atlas.worth_a_look(atlas.walk(made.cast.app, person.browser(), starts))
        if who == "owner" or not one.address.startswith("/t/")
    ]
    enter(page, live, person)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    faults, shown = [], 0
    for one in pages:
        page.goto(one.address)
        found = page.evaluate("() => ({hits, violations})") | {"markup": page.evaluate(MARKUP), "said": list(said)}
        said.clear()
        faults += [(one.address, found)] if any(found.values()) else []
        text = page.locator("body").inner_text()
        shown += any(mark in text for mark in SEEN)
        assert "49" not in page.locator("h1").inner_text(), "a template was evaluated"
    assert faults == []
    assert shown > 5, "the texts were hardly anywhere to be seen"


def test_markup_that_got_through_would_still_do_nothing(made: Furnished, page: Page, live: str) -> None:
    enter(page, live, made.alice)
    page.goto(f"/t/{made.acme.slug}/entries")
    page.evaluate("(html) => document.getElementById('main').insertAdjacentHTML('beforeend', html)", TRIED)
    page.evaluate("() => window.htmx.process(document.getElementById('main'))")
    page.evaluate("""() => { const one = document.createElement("script"); one.textContent = "ran('made')";
      document.body.append(one); }""")
    page.locator("a[href^='javascript:ran']").first.dispatch_event("click")
    page.wait_for_timeout(200)  # nothing is awaited: the point is that nothing happens
    assert page.evaluate("() => window.hits") == []
    assert "script-src-elem" in page.evaluate("() => window.violations"), "the policy was not there to refuse"


def test_an_answer_that_htmx_swaps_in_runs_no_script(made: Furnished, page: Page, live: str) -> None:
    enter(page, live, made.alice)
    page.goto(f"/t/{made.acme.slug}/entries")

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/html", body=f"<div id='swapped'>{TRIED}</b></div>")

    page.route("**/swapped-in", answer)
    page.evaluate("() => window.htmx.ajax('GET', '/swapped-in', {target: '#main', swap: 'innerHTML'})")
    page.wait_for_selector("#swapped", state="attached")
    page.wait_for_timeout(200)  # as above
    assert page.evaluate("() => window.hits") == []


def test_the_listeners_hear_a_page_without_the_policy(page: Page, live: str) -> None:
    page.route("**/bare", lambda route: route.fulfill(status=200, content_type="text/html", body=TRIED))
    page.goto("/bare")
    assert {1, 4} <= set(page.evaluate("() => window.hits")), "a fault that is planted must be seen"
