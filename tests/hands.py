"""Hands for tests: a worker in this process, and a clock that only moves when it is told to."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from webapp import worker
from webapp.jobs import commands
from webapp.kernel.db import Database
from webapp.settings import Settings
from webapp.web.state import KEY


@dataclass(slots=True)
class Clock:
    """Stands still until it is moved."""

    at: datetime = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **by: float) -> None:
        """Move on by days, hours, minutes or seconds."""
        self.at += timedelta(**by)


def work(settings: Settings, *kinds: str, **overrides: Any) -> int:
    """Run the waiting jobs of these kinds, as a worker does, and return how many there were."""
    worker.prepare(settings, **overrides)
    database = worker.process["database"]
    done: set[UUID] = set()
    try:
        while True:
            with database.platform() as session:
                waiting = session.scalars(
                    text("SELECT id FROM job WHERE kind = ANY (:kinds) AND state = 'queued' ORDER BY created_at"),
                    {"kinds": list(kinds)},
                ).all()
            ids = [job_id for job_id in waiting if job_id not in done]
            if not ids:
                return len(done)
            for job_id in ids:
                worker.perform(str(job_id))
                done.add(job_id)
    finally:
        worker.release()


def letters(settings: Settings, to: str) -> list[str]:
    """Return the letters that were written to one address, whole, oldest first."""
    found = [path.read_bytes().decode() for path in sorted((Path(settings.data_dir) / "mails").glob("*.eml"))]
    return [letter for letter in found if f"To: {to}" in letter]


def told(app: Flask, to: str) -> list[str]:
    """Return the kinds of letters that wait for one address, by name, without what belongs to signing in."""
    found = sorted(job.arguments["letter"] for job in queued(app.extensions[KEY].database, to=to))
    return [kind for kind in found if kind not in {"device_signed_in", "password_changed"}]


@dataclass(frozen=True, slots=True)
class Queued:
    """A job as its row says, its arguments opened."""

    id: UUID
    tenant_id: UUID | None
    kind: str
    state: str
    attempts: int
    available_at: datetime
    created_by: UUID
    arguments: dict[str, Any]


def queued(database: Database, **named: str) -> list[Queued]:
    """Return the jobs of every state whose arguments say all that is named."""
    columns = "id, tenant_id, kind, state, attempts, available_at, created_by, arguments_sealed"
    with database.platform() as session:
        rows = session.execute(text(f"SELECT {columns} FROM job ORDER BY created_at")).all()
        jobs = [Queued(*row[:-1], commands._opened(session, row[0], row[-1])) for row in rows]
    return [one for one in jobs if named.items() <= one.arguments.items()]


def link_in(letter: str) -> str:
    """Return the path of the one link of a letter, its soft line breaks undone."""
    found = re.search(r"https?://[^/\s]+(/\S+)", letter.replace("=\r\n", "").replace("=3D", "="))
    assert found, letter
    return found[1]


def submit(client: FlaskClient, page: str, action: str, data: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    """Read a page, then post a form to `action` with the page's form token, as a browser without JavaScript does."""
    shown = client.get(page).get_data(as_text=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', shown)
    assert token, f"{page} has no form token"
    return client.post(action, data={"csrf_token": token[1], **(data or {})}, **kwargs)
