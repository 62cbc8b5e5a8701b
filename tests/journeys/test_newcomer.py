"""The main job as a newcomer does it: the printed link, a bundled statement, doubtful rows, all booked and undone."""

import csv
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.journeys.houses import House

SAMPLE = "releve-compte-courant.csv"
CLICKS_MAX = 3
SECONDS_MAX = 120
WORK_MS = 30_000
"""So long a job may take on a busy machine until its page says that it is done."""


@dataclass
class Newcomer:
    """A person at a browser whose clicks are counted, and what the browser complained about."""

    page: Page
    home: str
    complaints: list[str]
    clicks: int = 0

    def click(self, target: Locator) -> None:
        """Click as a person does: once it is there."""
        expect(target).to_be_visible(timeout=WORK_MS)
        target.click()
        self.clicks += 1

    def button(self, name: str) -> Locator:
        """Find a button of the page's content by its words."""
        return self.page.locator("main").get_by_role("button", name=name)

    def link(self, name: str) -> Locator:
        """Find a link of the page's content by its words."""
        return self.page.locator("main").get_by_role("link", name=name)

    def sees(self, words: str) -> None:
        """Wait until the page's content says something, without a reload by hand."""
        expect(self.page.locator("main")).to_contain_text(words, timeout=WORK_MS)

    def open_imports(self) -> None:
        """Go to the imports by the navigation."""
        self.click(self.page.get_by_role("navigation").first.get_by_role("link", name="Imports"))

    def balance(self) -> str:
        """Read the current account's balance from the list of accounts."""
        self.page.goto(f"{self.home}/accounts")
        row = self.page.locator("main").get_by_role("row").filter(has_text="Current account")
        return row.first.locator(".money").last.inner_text()

    def undo(self, address: str) -> None:
        """Take an import back out and wait until it is."""
        self.page.goto(address)
        self.click(self.button("Undo this import"))
        self.sees("This import was taken back out of the books.")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Start a house with the demonstration, as a newcomer does."""
    made = House(tmp_path_factory.mktemp("newcomer") / "data")
    yield made
    made.stop()
    made.end()


@pytest.fixture(scope="module")
def newcomer(house: House, chromium: Browser) -> Iterator[Newcomer]:
    """Follow the printed link into the demonstration, once."""
    address = house.wait_ready()
    (line,) = (line for line in house.lines if "look around in the demo workspace" in line)
    context = chromium.new_context(locale="en-GB", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(line.split()[-1])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/t/demo/")
    yield Newcomer(page, f"{address}/t/demo", complaints)
    context.close()


@pytest.fixture
def at_home(newcomer: Newcomer) -> Newcomer:
    """Return the newcomer on the first page of the workspace, with no click made yet."""
    newcomer.page.goto(f"{newcomer.home}/")
    newcomer.clicks = 0
    return newcomer


def test_a_bundled_statement_is_booked_in_three_clicks_and_taken_back_out_whole(at_home: Newcomer):
    person, page = at_home, at_home.page
    before = person.balance()
    page.goto(f"{person.home}/")
    began = time.monotonic()
    person.open_imports()
    person.click(person.button(SAMPLE))
    publish = person.button("Publish 42 rows")
    expect(publish).to_be_visible(timeout=WORK_MS)
    expect(page.locator("main")).to_contain_text("Fuel")
    person.click(publish)
    person.sees("42 rows were booked.")
    expect(page.locator("#jobs-line a")).to_have_count(0, timeout=WORK_MS)
    assert person.clicks <= CLICKS_MAX
    assert time.monotonic() - began < SECONDS_MAX
    address = page.url
    person.click(person.link("See the account"))
    expect(page.locator("main [data-row]").filter(has_text="CARTE BOULANGERIE LEMAIRE")).to_have_count(2)
    assert person.balance() != before
    person.undo(address)
    assert person.balance() == before
    page.goto(address)
    person.sees("Undone")
    assert person.complaints == []


def test_doubtful_and_wrong_rows_are_resolved_on_the_way_and_nothing_is_booked_twice(at_home: Newcomer, tmp_path: Path):
    person, page = at_home, at_home.page
    before = person.balance()
    person.open_imports()
    person.click(person.button(SAMPLE))
    person.click(person.button("Publish 42 rows"))
    person.sees("42 rows were booked.")
    first, after_first = page.url, person.balance()
    once, other, *_ = rows_of(page, first)
    statement = tmp_path / "by-hand.csv"
    statement.write_text(
        "Date;Description;Amount;Currency\n"
        f"{other.day};{other.text} CARTE;{other.amount};EUR\n"
        f"{once.day};{once.text} SUITE;{once.amount};EUR\n"
        "2026-02-30;NO SUCH DAY;-5.00;EUR\n"
    )
    page.goto(f"{person.home}/imports")
    page.locator("input[type=file]").set_input_files(statement)  # what is chosen or dropped is sent at once
    person.sees("2 rows may be in the books already.")
    expect(person.button("Publish")).to_be_disabled()
    person.click(person.button("They are the same: merge").first)
    person.sees("1 row may be in the books already.")
    person.click(person.button("Keep both"))
    page.goto(f"{page.url.partition('?')[0]}?tab=wrong")
    person.click(person.link("Correct").first)
    page.get_by_label("Date").fill("2026-02-28")
    person.click(person.button("Save row"))
    person.click(person.button("Publish 3 rows"))
    person.sees("2 rows were booked.")
    second = page.url
    person.undo(second)
    assert person.balance() == after_first
    person.undo(first)
    assert person.balance() == before
    assert person.complaints == []


@dataclass(frozen=True)
class Row:
    """A row of the sample as the page shows it."""

    day: str
    text: str
    amount: str


def rows_of(page: Page, address: str) -> list[Row]:
    """Read what an import booked from the CSV that its page offers, money out first."""
    answer = page.request.get(f"{address.partition('?')[0]}/rows.csv")
    assert answer.ok, answer.status
    found = [
        Row(line["date"], line["counterparty"] or line["description"], line["amount"])
        for line in csv.DictReader(io.StringIO(answer.text()))
        if line["state"] == "published"
    ]
    return sorted(found, key=lambda row: Decimal(row.amount))
