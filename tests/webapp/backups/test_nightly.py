"""Every workspace gets its backup each night, once, and whoever runs the installation sees which did not."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import generate_latest
from sqlalchemy import Engine, text

from tests import hands
from tests.cast import STAGE, Cast
from webapp import worker
from webapp.backups import envelope, queries
from webapp.backups.erasing import erase_workspace
from webapp.clock import plan_backups
from webapp.settings import Settings
from webapp.web.state import KEY

NIGHT = datetime(2030, 3, 1, 1, 30, tzinfo=UTC)


def planned(settings: Settings, clock: hands.Clock) -> int:
    worker.prepare(settings, clock=clock)
    try:
        return plan_backups(settings)
    finally:
        worker.release()


def mine(app: Flask, cast: Cast, at: datetime) -> queries.Kept:
    with app.extensions[KEY].database.platform() as session:
        (found,) = [one for one in queries.kept(session=session, at=at) if one.tenant_id == cast.acme.ref.id]
    return found


def test_a_night_backs_up_every_workspace_once_spread_over_it_and_lets_go_of_the_old(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, tmp_path: Path
):
    database = app.extensions[KEY].database
    # Other tests' workspaces of this server are not backed up along: they are many.
    with owner.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO platform.backup (id, tenant_id, slug, kind, night, state, began_at)"
                " SELECT gen_random_uuid(), t.id, t.slug, 'nightly', n, 'done', n + interval '3 hours'"
                " FROM platform.tenant t,"
                " unnest(ARRAY[DATE '2030-03-01', DATE '2030-03-02', DATE '2030-03-10']) AS n WHERE t.id <> :mine"
            ),
            {"mine": cast.acme.ref.id},
        )
    nights = replace(settings, backup_hour=1, backup_keep_days=7, backup_dir=str(tmp_path), data_dir=str(tmp_path))
    clock = hands.Clock(NIGHT)
    assert planned(nights, clock) == 1
    assert planned(nights, clock) == 0
    with database.platform() as session:
        due = session.scalar(text("SELECT available_at FROM job WHERE kind = 'backups.take' AND state = 'queued'"))
    assert NIGHT <= due < NIGHT.replace(hour=5, minute=0)
    clock.at = due
    assert hands.work(nights, "backups.take", clock=clock) == 1
    found = mine(app, cast, due)
    assert (found.state, found.newest_at, found.is_late) == ("done", due, False)
    (first,) = tmp_path.glob("*.comptoir")

    # Nothing is made up for by day unless a night was missed; a failure is told with its reason, and tried again.
    clock.at = NIGHT.replace(hour=12)
    assert planned(nights, clock) == 0
    clock.at = NIGHT + timedelta(days=1, hours=13)
    assert planned(nights, clock) == 1
    broken = replace(nights, backup_recipients="age1nobody")
    hands.work(broken, "backups.take", clock=clock)
    assert mine(app, cast, clock.at).is_late
    clock.forward(minutes=1)
    hands.work(nights, "backups.take", clock=clock)
    assert mine(app, cast, clock.at).state == "done"

    clock.at = NIGHT + timedelta(days=9)
    assert planned(nights, clock) == 1
    clock.at += timedelta(hours=4)
    hands.work(nights, "backups.take", clock=clock)
    assert not first.exists()
    assert len(list(tmp_path.glob("*.comptoir"))) == 1
    with database.platform() as session:
        states = session.scalars(
            text("SELECT state FROM backup WHERE tenant_id = :id ORDER BY began_at"), {"id": cast.acme.ref.id}
        ).all()
    assert states == ["deleted", "deleted", "done"]
    assert envelope.identity_path(nights).stat().st_mode & 0o777 == 0o600


def test_a_backup_that_waits_leaves_no_note_of_a_workspace_that_was_erased_meanwhile(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, tmp_path: Path
):
    assert cast.olga.post(f"/platform/backups/{cast.acme.slug}").status_code == 303
    at = datetime.now(UTC)
    erase_workspace(engine=owner, database=app.extensions[KEY].database, actor=STAGE, at=at, slug=cast.acme.slug)
    hands.work(replace(settings, backup_dir=str(tmp_path)), "backups.take")
    with owner.connect() as connection:
        query = text("SELECT count(*) FROM platform.backup WHERE tenant_id = :id")
        assert connection.scalar(query, {"id": cast.acme.ref.id}) == 0


def all_pages(browser: FlaskClient) -> str:
    """Return the whole list: others' workspaces may come before ours."""
    shown, href = "", "/platform/backups"
    while href:
        page = browser.get(href).get_data(as_text=True)
        later = re.search(r'href="(/platform/backups\?cursor=[^"]+)"', page)
        shown, href = shown + page, unescape(later[1]) if later else ""
    return shown


def test_operators_see_how_old_backups_are_and_take_one(
    cast: Cast, app: Flask, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    browser = cast.olga.browser()
    assert cast.alice.browser().get("/platform/backups").status_code == 404
    assert cast.alice.post(f"/platform/backups/{cast.acme.slug}").status_code == 404
    assert "none yet" in all_pages(browser)
    assert cast.olga.post(f"/platform/backups/{cast.acme.slug}").status_code == 303
    closed = replace(settings, backup_recipients="age1nobody", backup_dir=str(tmp_path))
    hands.work(closed, "backups.take")
    assert "age1nobody is no key of age" in all_pages(browser)
    later = hands.Clock(datetime.now(UTC) + timedelta(minutes=1))
    assert hands.work(replace(settings, backup_dir=str(tmp_path)), "backups.take", clock=later) == 1
    assert "Done" in all_pages(browser)
    told = generate_latest(app.extensions["metrics"]).decode()
    assert "comptoir_backup_age_seconds " in told and "comptoir_backup_workspaces_late " in told
    (failures,) = [line for line in told.splitlines() if line.startswith("comptoir_backup_failures_total ")]
    assert float(failures.split()[1]) >= 1


def test_a_key_is_made_once_and_never_written_over(tmp_path: Path):
    public = envelope.make_identity(tmp_path / "key")
    assert public.startswith("age1")
    with pytest.raises(FileExistsError):
        envelope.make_identity(tmp_path / "key")
