"""Every page is valid HTML: whole pages, refused forms and fragments, by the Nu checker."""

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine

from tests import atlas
from tests.cast import Person
from tests.furnished import Furnished, furnish
from webapp.settings import Settings

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


@pytest.fixture(scope="module")
def made(app: Flask, owner: Engine, settings: Settings) -> Furnished:
    return furnish(app, owner, settings)


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


def pages_of(made: Furnished, person: Person, who: str) -> Iterator[tuple[str, str]]:
    """Yield every page and every fragment that a person sees, and every form's refusal."""
    starts, unknown = atlas.addresses(made.cast.app, made)
    assert unknown == []
    client = person.browser()
    walked = atlas.walk(made.cast.app, client, starts)
    for page in atlas.worth_a_look(walked):
        yield f"{who} {page.address} ({page.status})", page.text
    for part in walked.parts:
        shell = TABLE if part.text.lstrip().startswith(("<tr", "<tbody")) else SHELL
        whole = part.text.lstrip().startswith("<!doctype")
        yield f"{who} part {part.address}", part.text if whole else shell.format(part.text)
    for page in atlas.refusals(client, walked):
        assert page.status < atlas.SERVER_ERROR, page
        if page.text:
            yield f"{who} refused {page.address} ({page.status})", page.text


def test_every_page_is_valid_html(made: Furnished, checker: Path, tmp_path: Path) -> None:
    pages = [
        *pages_of(made, made.carol, "auditor"),
        *pages_of(made, made.cast.olga, "operator"),
        *pages_of(made, made.alice, "owner"),
    ]
    signed_out = made.cast.app.test_client()
    addresses = ("/sign-in", "/nowhere", *(f"/invitations/{one}" for one in made.secrets["tenancy.invitation"]))
    pages += [(f"signed out {one}", signed_out.get(one).get_data(as_text=True)) for one in addresses]
    assert len(pages) > 100
    found = check(checker, pages, tmp_path)
    assert not found, "\n".join(f"{message}\n    {where}" for message, places in found.items() for where in places)


def test_the_checker_finds_a_seeded_fault(checker: Path, tmp_path: Path) -> None:
    found = check(checker, [("seeded", SHELL.format("<p hx-get=/x><div id=a></div><i id=a></i>"))], tmp_path)
    assert any("hx-get" in message for message in found)
    assert any("Duplicate ID" in message for message in found)
    assert all(where.startswith("seeded") for examples in found.values() for where in examples)
