"""What a bookkeeper does with a statement beside the books, and on the dashboard's card, in a real browser."""

from datetime import date, timedelta

import pytest
from playwright.sync_api import expect

from tenants.money.accounts.commands import ensure_purpose_account
from tenants.money.accounts.rules import Purpose
from tests.cast import Cast
from tests.journeys.conftest import Visit
from tests.tenants.money.stage import AT, DAY, move, open_account


@pytest.fixture
def bank(cast: Cast) -> int:
    bank = open_account(cast.acme, "Bank")
    sales, food = open_account(cast.acme, "Sales", "income"), open_account(cast.acme, "Food", "expense")
    move(cast.acme, sales, bank, 100_00, day=DAY - timedelta(days=9))
    move(cast.acme, bank, food, 30_00, day=DAY - timedelta(days=3))
    return bank


def test_she_ticks_until_nothing_is_left_finishes_and_undoes(cast: Cast, bank: int, visit: Visit) -> None:
    page = visit(cast.alice, f"/t/{cast.acme.slug}/accounts/{bank}")
    page.get_by_role("group").filter(has=page.get_by_text("More")).first.click()
    page.get_by_role("link", name="Reconcile").click()
    page.get_by_label("Closing day").fill(DAY.isoformat())
    page.get_by_label("Closing balance").fill("70")
    page.get_by_role("button", name="Begin").click()
    figures = page.locator("#figures")
    expect(figures).to_contain_text("Still between the two")
    ticks = page.locator(".recon-lines button")
    ticks.first.focus()
    page.keyboard.press("Enter")
    expect(figures).to_contain_text("€100.00")
    expect(ticks.first).to_be_focused()
    expect(page.get_by_role("button", name="Finish")).to_have_count(0)
    page.reload()
    expect(page.locator("tr.is-ticked")).to_have_count(1)
    ticks.nth(1).click()
    expect(figures).to_contain_text("Nothing is left")
    page.get_by_role("button", name="Finish").click()
    expect(page.locator(".toast")).to_contain_text("The account is reconciled.")
    page.goto(f"/t/{cast.acme.slug}/accounts/{bank}")
    expect(page.locator("tr.is-closed")).to_have_count(2)
    expect(page.locator("td[data-edit]")).to_have_count(0)
    page.goto(f"/t/{cast.acme.slug}/accounts/{bank}/reconciliations")
    page.locator("td.card-main a").first.click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Undo the reconciliation").click()
    confirm = page.get_by_role("dialog").get_by_role("button", name="OK")
    if confirm.count():
        confirm.click()
    expect(page.locator("main")).to_contain_text("Undone")


def test_she_accepts_on_the_dashboard_without_a_reload_and_takes_it_back(cast: Cast, bank: int, visit: Visit) -> None:
    with cast.acme.begin() as session:
        unsorted = ensure_purpose_account(
            session=session, actor=cast.alice.actor, at=AT, purpose=Purpose.TO_CATEGORISE, currency="EUR"
        )
    bread = open_account(cast.acme, "Bread", "expense")
    for amount in ("3.00", "4.00"):
        lines = [
            {"account_id": account, "amount": sign + amount, "currency": "EUR"}
            for account, sign in ((unsorted, ""), (bank, "-"))
        ]
        body = {"date": date(2026, 11, 2).isoformat(), "description": "", "counterparty": "Baker", "postings": lines}
        entry_id = cast.alice.api("POST", "/entries", json=body).json["id"]
    cast.alice.api("POST", f"/review/{entry_id}", json={"category_id": bread})
    page = visit(cast.alice, f"/t/{cast.acme.slug}/")
    card = page.locator("#to-review")
    page.evaluate("window.stayed = true")
    card.get_by_role("button", name="Bread").click()
    expect(card).to_contain_text("Everything has its category.")
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(card.get_by_role("button", name="Bread")).to_be_visible()
    assert page.evaluate("window.stayed"), "the page was never loaded again"
