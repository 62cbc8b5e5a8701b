"""What operators see and do; to everyone else it does not exist."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml
from flask import Flask
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from tests.cast import STAGE, Cast
from tests.hands import letters, work
from webapp import __version__
from webapp.jobs import commands
from webapp.platform import measures, queries
from webapp.settings import Settings
from webapp.tenancy.schema import Revisions, platform_revisions, tenant_revisions
from webapp.web.state import KEY

PAGES = ("/platform", "/platform/installation", "/platform/jobs", "/platform/mails", "/platform/components")


@pytest.mark.parametrize("path", PAGES)
def test_only_operators_see_the_platform(cast: Cast, app: Flask, path: str) -> None:
    assert cast.olga.browser().get(path).status_code == 200
    assert cast.alice.browser().get(path).status_code == 404
    assert app.test_client().get(path).status_code == 303


def parked(app: Flask, cast: Cast) -> UUID:
    """Park a job of Acme."""
    with app.extensions[KEY].database.tenant(cast.acme.ref) as session:
        job_id = commands.enqueue(
            session=session,
            actor=STAGE,
            at=datetime.now(UTC),
            job_id=uuid4(),
            kind="imports.check",
            arguments={},
            queue="imports",
        )
    with app.extensions[KEY].database.platform() as session:
        session.execute(
            text("UPDATE job SET state = 'parked', attempts = 3, error = 'No <space> left' WHERE id = :id"),
            {"id": job_id},
        )
    return job_id


def state_of(app: Flask, job_id: UUID) -> str:
    """Return a job's state."""
    with app.extensions[KEY].database.platform() as session:
        return str(session.execute(text("SELECT state FROM job WHERE id = :id"), {"id": job_id}).scalar_one())


def test_a_parked_job_stands_there_with_its_reason_and_is_tried_again(cast: Cast, app: Flask) -> None:
    job_id = parked(app, cast)
    page = cast.olga.browser().get("/platform/jobs?state=parked").get_data(as_text=True)
    assert "No &lt;space&gt; left" in page
    assert cast.acme.slug in page
    assert cast.alice.post(f"/platform/jobs/{job_id}/retry").status_code == 404
    assert state_of(app, job_id) == "parked"
    assert cast.olga.post(f"/platform/jobs/{job_id}/retry").status_code == 303
    assert state_of(app, job_id) == "queued"
    assert cast.olga.post(f"/platform/jobs/{job_id}/cancellation").status_code == 303
    assert state_of(app, job_id) == "cancelled"


def test_letters_of_the_embedded_run_can_be_read(cast: Cast, settings: Settings) -> None:
    email = f"reader-{uuid4().hex[:8]}@example.org"
    cast.alice.api("POST", "/invitations", json={"email": email})
    work(settings, "mail.send")
    assert letters(settings, email)
    browser = cast.olga.browser()
    page = browser.get("/platform/mails").get_data(as_text=True)
    assert email in page
    href = page.rpartition(email)[0].rpartition('href="')[2].partition('"')[0]
    letter = browser.get(href).get_data(as_text=True)
    assert "/invitations/" in letter
    assert browser.get("/platform/mails/unknown").status_code == 404


def test_an_operator_sees_what_runs_and_how_long_the_oldest_job_waits(cast: Cast, app: Flask) -> None:
    with app.extensions[KEY].database.platform() as session:
        told = {"actor": STAGE, "job_id": uuid4(), "kind": "imports.check", "arguments": {}, "queue": "imports"}
        commands.enqueue(session=session, at=datetime.now(UTC) - timedelta(minutes=10), **told)
        server = session.scalar(text("SHOW server_version"))
        session.execute(
            text("INSERT INTO heartbeat (name, kind, seen_at, version) VALUES ('worker.old', 'worker', now(), '0.0.1')")
        )
    page = cast.olga.browser().get("/platform/installation").text
    assert __version__ in page and server in page and platform_revisions().head() in page
    assert "worker.old (0.0.1)" in page and "Migrations are pending" not in page
    assert re.search(r"60\d s", page), "ten minutes"


def test_a_job_of_a_later_time_is_planned_and_does_not_wait(cast: Cast, app: Flask) -> None:
    with app.extensions[KEY].database.platform() as session:
        session.execute(text("UPDATE job SET state = 'done' WHERE state IN ('queued', 'running')"))
        told = {"actor": STAGE, "job_id": uuid4(), "kind": "policies.forget", "arguments": {}}
        commands.enqueue(session=session, at=datetime.now(UTC) + timedelta(days=1), **told)
    for path in ("/platform", "/platform/installation", "/platform/jobs"):
        page = cast.olga.browser().get(path).text
        assert "0 jobs wait" in page, path
        assert "1 job is planned for later" in page, path
    assert "Planned" in page
    assert "every 2s" not in page, "nothing of what is shown changes before its time"
    with app.extensions[KEY].database.platform() as session:
        assert [one.waiting for one in queries.queues(session=session, at=datetime.now(UTC))] == [0, 0, 0]
        assert queries.health(session=session, at=datetime.now(UTC) + timedelta(days=2)).waiting == 1
        session.execute(text("UPDATE job SET attempts = 1 WHERE state = 'queued'"))
        health = queries.health(session=session, at=datetime.now(UTC))
        assert (health.waiting, health.planned) == (1, 0), "what failed and is tried again waits"


def told(folder: Path, name: str, *samples: str) -> None:
    """Write measures as the services of the backup do."""
    (folder / name).write_text("".join(f"{one}\n" for one in samples))


def test_an_operator_sees_how_old_the_whole_backup_and_the_drill_are_and_is_warned(
    cast: Cast, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = cast.olga.browser()
    assert "Backup of the whole installation" not in browser.get("/platform/installation").text, "nothing tells of it"
    services = app.extensions[KEY]
    with_folder = replace(services.settings, measures_dir=str(tmp_path))
    monkeypatch.setitem(app.extensions, KEY, replace(services, settings=with_folder))

    def said() -> tuple[str, set[str]]:
        page = browser.get("/platform/installation")
        assert page.status_code == 200
        text_of = page.text.partition('id="protection"')[2].partition("Queues")[0]
        return text_of, set(re.findall(r"runbooks/(\w+)\.md", text_of))

    text_of, warned = said()
    assert text_of.count("Not known") == 2 and warned == {"BackupOld", "DrillMissing"}

    def hours(number: float) -> float:
        return (datetime.now(UTC) - timedelta(hours=number)).timestamp()

    ended = "comptoir_backup_last_success_timestamp_seconds"
    found = "comptoir_drill_last_success_timestamp_seconds"
    well = 'comptoir_backup_success{type="diff"} 1'
    told(tmp_path, "backup.prom", f'{ended}{{type="full"}} {hours(99)}', f'{ended}{{type="diff"}} {hours(25.5)}', well)
    told(tmp_path, "drill.prom", f"{found} {hours(7 * 24 + 20)}", "comptoir_drill_success 1")
    text_of, warned = said()
    assert "1 day ago" in text_of and "1 week ago" in text_of and warned == set()

    told(tmp_path, "backup.prom", f'{ended}{{type="diff"}} {hours(26.1)}', 'comptoir_backup_success{type="full"} 0')
    told(tmp_path, "drill.prom", f"{found} {hours(8 * 24 + 1)}", "comptoir_drill_success 1")
    assert said()[1] == {"BackupOld", "BackupFailed", "DrillMissing"}
    told(tmp_path, "drill.prom", f"{found} {hours(1)}", "comptoir_drill_success 0")
    assert said()[1] == {"BackupOld", "BackupFailed", "DrillFailed"}

    good = f'{ended}{{type="diff"}} {hours(1)}\n'
    broken = (f"{good}# {'x' * 70_000}\n", f"{good}{ended}{{type=", f"{good}what\n", "", f"{ended} NaN", "\0")
    for damaged in (b"\xff\xfe", *(one.encode() for one in broken)):
        (tmp_path / "backup.prom").write_bytes(damaged)
        text_of, warned = said()
        assert "Not known" in text_of and "BackupOld" in warned, damaged[:40]
    for endless in (f"{ended} +Inf", f"{ended} 1e300", f"{ended} -1e300"):
        told(tmp_path, "backup.prom", endless)
        assert "Not known" in said()[0]
    (tmp_path / "backup.prom").unlink()
    (tmp_path / "backup.prom").mkdir()
    assert "Not known" in said()[0]


def test_the_page_warns_within_the_bounds_of_the_alerts() -> None:
    groups = yaml.safe_load(Path("ops/prometheus/rules.yml").read_text(encoding="utf-8"))["groups"]
    rules = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    assert f"> {measures.BACKUP_LATE_AFTER // timedelta(hours=1)} * 3600" in rules["BackupOld"]
    assert f"> {measures.DRILL_LATE_AFTER.days} * 86400" in rules["DrillMissing"]


def test_after_a_way_back_no_migration_is_said_to_wait(owner: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(owner) as session:
        head = platform_revisions().head()
        session.execute(text("INSERT INTO platform.served_revision VALUES ('platform', '9001', :head)"), {"head": head})
        session.execute(text("UPDATE platform.schema_revision SET revision = '9001'"))
        found = queries.schemas(session=session)
        assert (found.revision, found.is_behind, found.waits) == ("9001", False, False)
        session.execute(text("UPDATE platform.schema_revision SET revision = :head"), {"head": head})
        # As if 9001 were a migration of this version that takes away, and waits.
        monkeypatch.setattr(Revisions, "suits", lambda self: [head, "9001"] if self.name == "platform" else ["0001"])
        assert queries.schemas(session=session).waits
        session.rollback()


def test_an_operator_gets_a_test_mail(cast: Cast, settings: Settings) -> None:
    assert cast.alice.post("/platform/mails/test").status_code == 404
    assert cast.olga.post("/platform/mails/test").status_code == 303
    work(settings, "mail.send")
    (letter,) = letters(settings, cast.olga.email)
    assert "Subject: Test mail from Comptoir" in letter


def test_ready_names_the_part_that_is_not(cast: Cast, app: Flask) -> None:
    with app.extensions[KEY].database.platform() as session:
        session.execute(text("DELETE FROM heartbeat"))
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 503
    assert "no worker" in answer.json["parts"]["worker"]
    with app.extensions[KEY].database.platform() as session:
        for kind in ("worker", "clock"):
            commands.note_alive(session=session, name=f"test.{kind}", kind=kind, at=datetime.now(UTC))  # type: ignore[arg-type]
    answer = app.test_client().get("/readyz")
    assert answer.json["parts"] == {"database": "ok", "valkey": "ok", "migrations": "ok", "worker": "ok"}
    assert answer.status_code == 200


def test_a_heartbeat_that_is_old_counts_as_none(cast: Cast, app: Flask) -> None:
    with app.extensions[KEY].database.platform() as session:
        session.execute(text("DELETE FROM heartbeat"))
        for kind in ("worker", "clock"):
            commands.note_alive(
                session=session,
                name=f"old.{kind}",
                kind=kind,  # type: ignore[arg-type]
                at=datetime.now(UTC) - timedelta(seconds=16),
            )
    assert app.test_client().get("/readyz").status_code == 503


def test_a_workspace_that_is_behind_makes_the_installation_not_ready(cast: Cast, app: Flask, owner: object) -> None:
    with owner.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(
            text("UPDATE platform.tenant SET schema_revision = 'older' WHERE id = :id"), {"id": cast.acme.ref.id}
        )
    try:
        assert "behind" in app.test_client().get("/readyz").json["parts"]["migrations"]
        assert "1 workspace is behind." in cast.olga.browser().get("/platform/installation").text
    finally:
        with owner.begin() as connection:  # type: ignore[attr-defined]
            connection.execute(
                text(
                    "UPDATE platform.tenant SET schema_revision = (SELECT schema_revision FROM"
                    " platform.tenant WHERE id = :other) WHERE id = :id"
                ),
                {"id": cast.acme.ref.id, "other": cast.bravo.ref.id},
            )


def test_a_schema_that_a_newer_version_only_added_to_is_fit(cast: Cast, app: Flask, owner: object) -> None:
    def at(revision: str, statement: str) -> str:
        with owner.begin() as connection:  # type: ignore[attr-defined]
            connection.execute(
                text("UPDATE platform.tenant SET schema_revision = :r WHERE id = :id"),
                {"id": cast.acme.ref.id, "r": revision},
            )
            connection.execute(text(statement))
        return str(app.test_client().get("/readyz").json["parts"]["migrations"])

    head = tenant_revisions().head()
    try:
        note = f"INSERT INTO platform.served_revision VALUES ('tenant', '9999', '{head}')"
        assert at("9999", note) == "ok", "the newer version has written down that it serves this one"
        assert "behind" in at("9998", "SELECT 1"), "nobody said that this one does"
    finally:
        at(head, "DELETE FROM platform.served_revision WHERE revision = '9999'")
