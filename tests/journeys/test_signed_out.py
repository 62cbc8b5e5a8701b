"""A session that ends while somebody types, in a real browser: sign in on the spot, and what was typed is sent."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from tests.cast import Cast
from tests.journeys.conftest import Visit
from webapp.identity.passwords import set_password
from webapp.kernel.clock import utc_now
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"
Faults = Callable[[Page], list[str]]


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in form that is shown."""
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(password)
    page.locator("form[action$='/sign-in'] button[type=submit]").click()


def end_sessions(cast: Cast) -> None:
    """Let Alice's sessions end."""
    with cast.app.extensions[KEY].database.platform() as session:
        session.execute(
            text("UPDATE session SET seen_at = seen_at - interval '1 day' WHERE person_id = :p"), {"p": cast.alice.id}
        )


@pytest.mark.parametrize("scripts", [True, False])
def test_an_entry_that_was_typed_when_the_session_ended(
    cast: Cast, visit: Visit, find_faults: Faults, scripts: bool
) -> None:
    alice = cast.alice
    for name in ("Bank", "Cash"):
        alice.api("POST", "/accounts", json={"name": name, "kind": "asset", "currency": "EUR"})
    page = visit(alice, "/livez", scripts=scripts)
    with cast.app.extensions[KEY].database.platform() as session:
        set_password(
            session=session, actor=alice.actor, at=utc_now(), person_id=alice.id, email=alice.email, password=PASSWORD
        )
    page.context.clear_cookies()
    page.goto("/sign-in")
    sign_in(page, alice.email)
    expect(page.locator("[name=password]")).to_have_count(0)
    page.goto(f"/t/{cast.acme.slug}/entries/new")
    page.locator("#f-description").fill("Typed before the end")
    for line, (account, amount) in enumerate((("Bank", "12.34"), ("Cash", "-12.34"))):
        page.locator(f"[id='f-postings/{line}/account_id']").select_option(label=account)
        if line == 1:
            end_sessions(cast)
        page.locator(f"[id='f-postings/{line}/amount']").fill(amount)
    if scripts:
        expect(page.locator(".toast--danger").first).to_contain_text(
            "You were signed out. What you typed is still here"
        )
        assert page.url.endswith("/entries/new")
    page.get_by_role("button", name="Book", exact=True).click()
    expect(page.locator("[data-trouble]")).to_contain_text("You were signed out, and what you sent was not saved.")
    assert not scripts or find_faults(page) == []
    sign_in(page, alice.email, "not the right password")
    expect(page.get_by_text("do not belong together")).to_be_visible()
    sign_in(page, alice.email)
    expect(page.locator("h1")).to_have_text("Send this again?")
    assert not scripts or find_faults(page) == []
    assert alice.api("GET", "/entries").json["data"] == []
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("h1")).to_contain_text("Typed before the end")
    (entry,) = alice.api("GET", "/entries").json["data"]
    assert entry["description"] == "Typed before the end"
