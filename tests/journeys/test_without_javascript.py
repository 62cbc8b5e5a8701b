"""Everything that matters works without JavaScript: plain links and plain form posts, in a browser that runs none."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.cast import Cast, make_person
from tests.furnished import work
from tests.journeys.conftest import Visit
from webapp.access.permissions import Role
from webapp.identity.passwords import set_password
from webapp.kernel.clock import utc_now
from webapp.settings import Settings
from webapp.tenancy.commands import add_member
from webapp.web.state import KEY

PASSWORD = "correct horse battery staple"
STATEMENT = (
    "Date,Payee,Description,Amount,Currency\n"
    "2026-03-02,Bakery,Bread,-12.34,EUR\n"
    "2026-03-05,Acme Industries,Salary,2500.00,EUR\n"
)


@pytest.fixture
def page(cast: Cast, visit: Visit, settings: Settings) -> Page:
    """Return a browser without scripts, signed in by the form as a new owner of Acme."""
    at = utc_now()
    nour = make_person(cast.app, f"nour-{cast.acme.slug}")
    with cast.app.extensions[KEY].database.platform() as session:
        set_password(session=session, actor=nour.actor, at=at, person_id=nour.id, email=nour.email, password=PASSWORD)
        add_member(
            session=session, actor=nour.actor, at=at, tenant_id=cast.acme.ref.id, person_id=nour.id, role=Role.OWNER
        )
    page: Page = visit(nour, "/livez", scripts=False)
    page.context.clear_cookies()
    page.goto("/sign-in")
    page.locator("[name=email]").fill(nour.email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("form[action$='/sign-in'] button[type=submit]").click()
    page.goto(f"/t/{cast.acme.slug}/")
    expect(page.locator("h1")).to_be_visible()
    return page


def go(page: Page, cast: Cast, path: str) -> None:
    page.goto(f"/t/{cast.acme.slug}{path}")


def open_account(page: Page, cast: Cast, name: str, kind: str) -> int:
    go(page, cast, "/accounts/new")
    page.locator("#f-name").fill(name)
    page.locator("#f-kind").select_option(kind)
    page.locator("#f-currency").select_option("EUR")
    page.get_by_role("button", name="Open account").click()
    expect(page.locator("h1")).to_contain_text(name)
    return int(page.url.rstrip("/").rpartition("/")[2].partition("?")[0])


def test_keeping_books(page: Page, cast: Cast) -> None:
    bank = open_account(page, cast, "Bank", "asset")
    rent = open_account(page, cast, "Rent", "expense")
    go(page, cast, "/entries/new")
    page.locator("input[name=date]").fill("2026-11-02")
    page.locator("[name=description]").fill("Office rent")
    for place, (account, amount) in enumerate(((bank, "-850.00"), (rent, "850.00"))):
        page.locator("select[name=account_id]").nth(place).select_option(str(account))
        page.locator("input[name=amount]").nth(place).fill(amount)
    page.locator("input[name=amount]").nth(1).press("Enter")
    expect(page.locator("main")).to_contain_text("Office rent")
    expect(page.locator("#entry-form")).to_have_count(0)
    entry = int(page.url.rpartition("/")[2])

    go(page, cast, f"/entries/{entry}/edit")
    page.locator("[name=description]").fill("Office rent of November")
    page.locator("main form button.button--primary").first.click()
    expect(page.locator("main")).to_contain_text("Office rent of November")
    expect(page.locator("main del", has_text="Office rent").first).to_be_visible()

    page.locator("form[action$='/reversal'] button").click()
    expect(page.locator("main")).to_contain_text("Office rent of November")
    assert not page.url.endswith(f"/{entry}")
    assert cast.alice.api("GET", f"/accounts/{bank}").json["balance"]["amount"] == "0.00"


def test_a_wrong_entry_comes_back_with_everything_typed(page: Page, cast: Cast) -> None:
    bank = open_account(page, cast, "Bank", "asset")
    go(page, cast, "/entries/new")
    page.locator("[name=description]").fill("Half an entry")
    page.locator("select[name=account_id]").first.select_option(str(bank))
    page.locator("input[name=amount]").first.fill("twelve")
    page.locator("main form button.button--primary").first.click()
    expect(page.locator("[role=alert]")).to_be_visible()
    expect(page.locator("[name=description]")).to_have_value("Half an entry")
    expect(page.locator("input[name=amount]").first).to_have_value("twelve")


def test_bringing_a_statement(page: Page, cast: Cast, tmp_path: Path) -> None:
    bank = open_account(page, cast, "Bank", "asset")
    statement = tmp_path / "march.csv"
    statement.write_text(STATEMENT, encoding="utf-8")
    go(page, cast, "/imports")
    page.locator("select[name=account_id]").select_option(str(bank))
    page.locator("input[type=file]").set_input_files(statement)
    page.locator("form[enctype='multipart/form-data'] button[type=submit]").first.click()
    expect(page.locator("main")).to_contain_text("march.csv")
    here = page.url
    work(cast.acme)
    page.goto(here)
    expect(page.locator("main")).to_contain_text("Bakery")
    page.locator("form[action$='/publication'] button").click()
    work(cast.acme)
    page.goto(here)
    expect(page.locator("main")).to_contain_text("Published")
    assert cast.alice.api("GET", f"/accounts/{bank}").json["balance"]["amount"] == "2487.66"
    page.locator("form[action$='/reversal'] button").first.click()
    work(cast.acme)
    assert cast.alice.api("GET", f"/accounts/{bank}").json["balance"]["amount"] == "0.00"


def test_the_office(page: Page, cast: Cast) -> None:
    go(page, cast, "/members")
    page.locator("form[action$='/invitations'] [name=email]").fill("lea@example.org")
    page.locator("form[action$='/invitations'] button[type=submit]").click()
    expect(page.locator("main")).to_contain_text("lea@example.org")

    go(page, cast, "/tokens")
    page.locator("form[action$='/tokens'] [name=name]").fill("Nightly export")
    page.locator("form[action$='/tokens'] [name=scopes][value='ledger:read']").check()
    page.locator("form[action$='/tokens'] button[type=submit]").click()
    expect(page.locator("main")).to_contain_text("cpt_live_")

    page.goto("/profile")
    page.locator("[name=language]").select_option("fr")
    page.locator("form[action$='/profile'] button[type=submit]").first.click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
