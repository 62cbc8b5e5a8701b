"""A workspace takes all of its own along: asked for, made by a job, given to whom may for seven days."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

from flask import Flask
from sqlalchemy import Engine, text

from tests import hands
from tests.cast import Cast
from tests.webapp.backups.test_restore import IBAN, book, books
from webapp import worker
from webapp.audit.sealer import Sealer
from webapp.backups import exports
from webapp.clock import plan_backups
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import ring_of
from webapp.settings import Settings
from webapp.web.state import KEY

FORMULA = '=HYPERLINK("http://example.org","click")'


def look_through(archive: zipfile.ZipFile, statement: bytes, folder: Path) -> None:
    """See that every file is as the manifest says, and that each form holds what was booked."""
    assert archive.testzip() is None
    said = json.loads(archive.read("manifest.json"))["files"]
    assert {one["name"] for one in said} | {"manifest.json"} == set(archive.namelist())
    assert all(hashlib.sha256(archive.read(one["name"])).hexdigest() == one["sha256"] for one in said)

    accounts = [json.loads(line) for line in archive.read("data/account.jsonl").splitlines()]
    assert IBAN in {one["iban"] for one in accounts} and "iban_blind" not in accounts[0]
    journal = list(csv.reader(io.StringIO(archive.read("csv/journal.csv").decode("utf-8-sig"))))
    assert {row[9] for row in journal[1:]} == {"-9.00", "9.00", "-1.50", "1.50"}
    assert f"'{FORMULA}" in {row[2] for row in journal}
    rows = ET.fromstring(archive.read("xml/entry.xml")).findall("row")  # noqa: S314 - made by us a moment ago
    assert FORMULA in {row.findtext("description") for row in rows}
    (document,) = [name for name in archive.namelist() if name.startswith("documents/")]
    assert archive.read(document) == statement and document.endswith("-my_bank.csv")

    archive.extractall(folder, ["trail/trail.jsonl", "trail/verify_trail.py"])
    proof = [sys.executable, str(folder / "trail/verify_trail.py"), str(folder / "trail/trail.jsonl")]
    ended = subprocess.run(proof, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_a_workspace_takes_all_of_its_own_along(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, tmp_path: Path
):
    database = app.extensions[KEY].database
    ids = books(cast)
    lines = [{"account_id": ids[0], "amount": "-1.50"}, {"account_id": ids[1], "amount": "1.50"}]
    entry = {"date": "2026-11-20", "description": FORMULA, "postings": [{**one, "currency": "EUR"} for one in lines]}
    assert cast.alice.api("POST", "/entries", json=entry).status_code == 201
    assert book(cast, ids) == 201
    statement = b"Date;Amount;Text\n2026-11-01;-12.00;Baker\n2026-11-02;-13.00;Butcher\n"
    form = {"account_id": str(ids[0]), "file": (io.BytesIO(statement), "my bank.csv")}
    brought = cast.alice.api("POST", "/imports", data=form, content_type="multipart/form-data")
    assert brought.status_code == 202, brought.text
    Sealer(owner, ring_of(database), utc_now).run()

    assert cast.bob.api("POST", "/exports", json={}).status_code == 403
    assert cast.mallory.browser().get(f"/t/{cast.acme.slug}/exports").status_code == 404
    asked = cast.alice.api("POST", "/exports", json={"xml": True})
    assert asked.status_code == 202 and asked.json["state"] == "making"
    place = f"/exports/{asked.json['id']}"
    assert cast.alice.api("POST", "/exports", json={}).status_code == 409
    assert cast.alice.api("GET", f"{place}/file").status_code == 409
    assert hands.work(settings, exports.MAKE) >= 1
    told = cast.alice.api("GET", place).json
    assert told["state"] == "ready"
    assert "Download" in cast.alice.browser().get(f"/t/{cast.acme.slug}/exports").get_data(as_text=True)

    answer = cast.alice.browser().get(f"/t/{cast.acme.slug}{place}/file")
    assert answer.status_code == 200 and answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (
        answer.headers["Content-Disposition"].startswith("attachment; filename=")
        and answer.mimetype == "application/zip"
    )
    assert len(answer.data) == told["size_bytes"] and hashlib.sha256(answer.data).hexdigest() == told["sha256"]
    assert cast.bravo.owner.api("GET", f"{place}/file").status_code == 404
    with owner.connect() as connection:
        pieces = connection.scalars(text("SELECT content_sealed FROM platform.export_piece")).all()
    assert not any(b"PK\x03\x04" in bytes(one) for one in pieces)
    look_through(zipfile.ZipFile(io.BytesIO(answer.data)), statement, tmp_path)
    with cast.acme.begin() as session:
        actions = set(session.scalars(text("SELECT action FROM audit_event")))
    assert {"workspace.export_asked_for", "workspace.export_downloaded"} <= actions
    assert hands.told(app, cast.alice.email).count("export_made") == 1

    # After seven days nothing is left of it.
    later = hands.Clock(datetime.now(UTC) + timedelta(days=7, minutes=1))
    worker.prepare(replace(settings, backup_hour=-1), clock=later)
    try:
        plan_backups(settings)
    finally:
        worker.release()
    assert cast.alice.api("GET", place).status_code == 404
    with owner.connect() as connection:
        assert (
            connection.scalar(
                text("SELECT count(*) FROM platform.export_piece WHERE tenant_id = :id"), {"id": cast.acme.ref.id}
            )
            == 0
        )
