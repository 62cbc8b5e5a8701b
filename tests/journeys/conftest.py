"""Journeys: what people do in a browser, against the application served on a port of this machine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, sync_playwright

from tests.cast import Person
from tests.served import served

CHROMIUM = "/usr/bin/chromium"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

Visit = Callable[..., Page]


@pytest.fixture(scope="session")
def live(app: Flask) -> Iterator[str]:
    """Serve the application from a thread and return its address."""
    with served(app) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Start one browser for the run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=SWITCHES)
        yield browser
        browser.close()


TAKEN_OVER = """
  !document.querySelector("[data-hx-get], [data-hx-post]") || document.querySelector("[data-htmx-powered]")
"""
"""A page works before htmx takes it over, by whole pages; what a journey sees would differ with the machine's pace."""


@pytest.fixture
def visit(chromium: Browser, live: str) -> Iterator[Visit]:
    """Return a function that opens a page as a person; what the browser complains about fails the test."""
    contexts, complaints = [], []

    def open_page(person: Person, path: str, *, width: int = 1280, scripts: bool = True, **options: Any) -> Page:
        context = chromium.new_context(
            base_url=live,
            viewport={"width": width, "height": 900},
            java_script_enabled=scripts,
            locale="en-GB",
            **options,
        )
        contexts.append(context)
        context.set_default_timeout(8000)
        context.add_cookies([{"name": "comptoir", "value": person.session_secret, "url": live}])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text)
                if message.type == "error" and "status of 4" not in message.text
                else None
            ),
        )
        page.goto(path)
        if scripts:
            page.wait_for_function(TAKEN_OVER)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


def axe_findings(page: Page) -> list[str]:
    """Return what axe-core finds on the page (WCAG 2.2 A and AA and best practices)."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {node['html'][:200]}" for one in result["violations"] for node in one["nodes"]]


@pytest.fixture
def find_faults() -> Callable[[Page], list[str]]:
    """Return the function that looks for accessibility faults on a page."""
    return axe_findings
