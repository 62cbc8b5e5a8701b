"""Two well-known attackers against the application on a port of this machine: sqlmap and wapiti."""

import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, request

from tests.served import served

TOOLS = Path(__file__).parents[2] / ".tools" / "attack" / "bin"
MINUTES_MAX = 25


@pytest.fixture(scope="session")
def live(app: Flask) -> Iterator[str]:
    """Serve the application from a thread and return its address."""
    app.config["RAISE_UNEXPECTED"] = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    with served(app) as address:
        yield address


@pytest.fixture(scope="session")
def broken() -> Iterator[str]:
    """Serve an application with two faults that each attacker must find, or its silence proves nothing."""
    app = Flask("broken")

    @app.get("/")
    def front() -> str:
        return '<html><body><a href="/find?name=a">find</a></body></html>'

    @app.get("/find")
    def find() -> str:
        name = request.args.get("name", "")
        with sqlite3.connect(":memory:") as database:
            database.execute("CREATE TABLE thing (name text)")
            database.executemany("INSERT INTO thing VALUES (?)", [("a",), ("b",)])
            try:
                rows = database.execute(f"SELECT name FROM thing WHERE name = '{name}'").fetchall()
            except sqlite3.Error as error:
                return f"<html><body>Warning: SQLite3::query(): {type(error).__name__} {error}</body></html>"
        return f"<html><body><p>{name}</p><ul>{len(rows)} found {rows}</ul></body></html>"

    with served(app) as address:
        yield address


def run(tool: str, *words: str) -> str:
    """Run one of the attackers to its end and return what it says."""
    done = subprocess.run(
        [str(TOOLS / tool), *words], capture_output=True, text=True, timeout=MINUTES_MAX * 60, check=False
    )
    return done.stdout + done.stderr
