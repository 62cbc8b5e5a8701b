"""Statements brought by hand: dropped anywhere on the page, their columns said beside a live sample, and said once."""

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.cast import Cast
from tests.furnished import work
from tests.journeys.conftest import Visit

UNKNOWN = "Alpha;Beta;Gamma\n01/02/2026;Market;1.234,50\n03/02/2026;Baker;-2,00\n"
CLICKS_MAX = 2


def bank(cast: Cast) -> int:
    """Open an account and return its id."""
    body = {"name": "Bank", "kind": "asset", "currency": "EUR"}
    return int(cast.alice.api("POST", "/accounts", json=body).json["id"])


def carried(page: Page, name: str, content: str) -> Any:
    """Return what a mouse carries that holds a file."""
    return page.evaluate_handle(
        """([name, content]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([content], name, {type: "text/csv"}));
            return carried;
        }""",
        [name, content],
    )


def drop(page: Page, onto: Locator, name: str, content: str) -> None:
    """Let a file fall on something of the imports page and wait for the page of its import."""
    with page.expect_navigation(url="**/imports/*"):
        onto.dispatch_event("drop", {"dataTransfer": carried(page, name, content)})


def import_page(cast: Cast, page: Page) -> None:
    """Let the worker do what waits, and wait until the page has heard of it."""
    work(cast.acme)
    expect(page.locator("[data-hx-trigger*='every 2s']")).to_have_count(0)


def test_a_file_is_dropped_anywhere_on_the_page(cast: Cast, visit: Visit) -> None:
    bank(cast)
    page = visit(cast.alice, f"/t/{cast.acme.slug}/imports")
    heading = page.get_by_role("heading", level=1)
    mark = page.locator("html.is-dragging")
    heading.dispatch_event("dragenter", {"dataTransfer": carried(page, "a.csv", UNKNOWN)})
    expect(mark).to_have_count(1)
    heading.dispatch_event("dragleave", {"dataTransfer": carried(page, "a.csv", UNKNOWN)})
    expect(mark).to_have_count(0)
    drop(page, heading, "dropped.csv", UNKNOWN)
    expect(page.get_by_role("heading", level=1)).to_have_text("dropped.csv")
    found = cast.alice.api("GET", "/imports").json["data"]
    assert [(one["file_name"], one["size_bytes"]) for one in found] == [("dropped.csv", len(UNKNOWN))]


def test_the_running_job_leaves_the_frame_without_a_reload(cast: Cast, visit: Visit) -> None:
    bank(cast)
    page = visit(cast.alice, f"/t/{cast.acme.slug}/imports")
    drop(page, page.locator("main"), "known.csv", "Date;Description;Amount;Currency\n2026-02-01;Market;-2.00;EUR\n")
    running = page.locator("#jobs-line")
    expect(running).to_contain_text("1 job running")
    page.evaluate("window.isTheSame = true")
    import_page(cast, page)
    expect(page.get_by_role("button", name="Publish 1 row")).to_be_visible()
    expect(running).to_be_empty()
    assert page.evaluate("window.isTheSame")


def test_the_sample_changes_with_every_setting_and_the_next_statement_takes_two_clicks(
    cast: Cast, visit: Visit
) -> None:
    bank(cast)
    page = visit(cast.alice, f"/t/{cast.acme.slug}/imports")
    drop(page, page.locator("main"), "january.csv", UNKNOWN)
    work(cast.acme)
    page.wait_for_url("**/mapping")
    sample = page.get_by_role("table", name="So the first rows will be read")
    expect(sample).to_contain_text("€1,234.50")
    expect(sample).to_contain_text("1 Feb 2026")
    page.get_by_label("Dates").select_option("%m/%d/%Y")
    expect(sample).to_contain_text("2 Jan 2026")
    page.get_by_label("Dates").select_option("%d/%m/%Y")
    expect(sample).to_contain_text("1 Feb 2026")
    page.get_by_label("Turn the signs round").check()
    expect(sample).to_contain_text("-€1,234.50")
    page.get_by_label("Turn the signs round").uncheck()
    page.get_by_label("Multiply amounts by").fill("10")
    expect(sample).to_contain_text("€12,345.00")
    page.get_by_label("Multiply amounts by").fill("oops")
    expect(page.get_by_role("alert")).to_contain_text("Multiply amounts by")
    page.get_by_label("Multiply amounts by").fill("1")
    page.get_by_label("What column 2 means").select_option("counterparty")
    expect(sample.get_by_role("row").nth(1).get_by_role("cell").nth(1)).to_have_text("Market")
    page.get_by_label("Between columns").select_option(",")
    expect(page.get_by_text("Say which column is the date").first).to_be_visible()
    expect(page.get_by_label("Header in line")).to_have_value("2")
    page.get_by_label("Between columns").select_option(";")
    expect(sample).to_contain_text("€1,234.50")
    expect(page.get_by_label("Header in line")).to_have_value("1")
    expect(page.get_by_label("Dates")).to_have_value("%d/%m/%Y")
    expect(page.get_by_label("What column 3 means")).to_have_value("amount")
    page.get_by_role("button", name="Use these columns").click()
    import_page(cast, page)
    page.get_by_role("button", name="Publish 2 rows").click()
    import_page(cast, page)
    expect(page.locator("main")).to_contain_text("2 rows were booked.")

    page.goto(f"/t/{cast.acme.slug}/")
    clicks = 0
    page.get_by_role("navigation").first.get_by_role("link", name="Imports").click()
    clicks += 1
    drop(page, page.locator("body"), "february.csv", UNKNOWN.replace("/02/", "/03/"))
    import_page(cast, page)
    expect(page.locator("main")).to_contain_text("Read as you said the last time for this account.")
    page.get_by_role("button", name="Publish 2 rows").click()
    clicks += 1
    import_page(cast, page)
    expect(page.locator("main")).to_contain_text("2 rows were booked.")
    assert clicks <= CLICKS_MAX
