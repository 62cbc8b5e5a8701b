"""An exported trail is verified without the product, and whatever was done to the file is found and named."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from tests.cast import Cast, Workspace, make_workspace
from tests.hands import told
from tests.webapp.audit.test_seals import act
from webapp.audit import offline
from webapp.audit.exports import harmless
from webapp.audit.offline import canonical, verify_lines, verify_signature
from webapp.audit.sealer import Sealer
from webapp.audit.seals import Chain
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import KeyRing, ring_of
from webapp.kernel.db import Database

Lines = list[bytes]


@pytest.fixture(scope="module")
def ring(database: Database) -> KeyRing:
    """Return the key ring that seals the signing key."""
    return ring_of(database)


@pytest.fixture(scope="module")
def place(app: Flask, owner: Engine, ring: KeyRing) -> Workspace:
    """Return a workspace whose trail has six events in three signed seals."""
    made = make_workspace(app, owner, f"exported-{uuid4().hex[:8]}", {"owner": "eve"})
    for numbers in ((1, 2, 3), (4, 5), (6,)):
        with made.begin() as session:
            for number in numbers:
                act(session, number)
        Sealer(owner, ring, utc_now).seal(Chain.of(made.ref.id))
    return made


@pytest.fixture(scope="module")
def exported(place: Workspace) -> Lines:
    """Return its export with the proof."""
    answer = place.owner.api("GET", "/audit-events/export")
    assert answer.status_code == 200
    assert answer.mimetype == "application/x-ndjson"
    return answer.data.splitlines()


def kinds(lines: Lines) -> list[str]:
    """Return the kinds of the lines."""
    return [json.loads(line)["type"] for line in lines]


def test_an_export_is_whole_and_signed(exported: Lines) -> None:
    report = verify_lines(exported)
    assert report.findings == []
    assert (report.events, report.seals, report.withheld) == (6, 3, 0)
    assert report.checkpoint is not None
    assert kinds(exported) == [
        *("trail", "event", "event", "event", "seal", "checkpoint"),
        *("event", "event", "seal", "checkpoint", "event", "seal", "checkpoint", "end"),
    ]


def swap(one: int, other: int) -> Callable[[Lines], None]:
    """Let two lines change places."""

    def act_on(lines: Lines) -> None:
        lines[one], lines[other] = lines[other], lines[one]

    return act_on


def edit(place: int, /, **fields: Any) -> Callable[[Lines], None]:
    """Write a line anew with other values."""

    def act_on(lines: Lines) -> None:
        lines[place] = canonical(json.loads(lines[place]) | fields)

    return act_on


def copy_as(number: int, event: int) -> Callable[[Lines], None]:
    """Insert a copy of an event under another number."""

    def act_on(lines: Lines) -> None:
        lines.insert(number + 1, canonical(json.loads(lines[number]) | {"id": event}))

    return act_on


def hide(number: int, seal: int) -> Callable[[Lines], None]:
    """Take an event out and call it withheld by a filter."""

    def act_on(lines: Lines) -> None:
        said = json.loads(lines[seal])
        said["withheld"] = [json.loads(lines[number])["id"]]
        lines[seal] = canonical(said)
        del lines[number]

    return act_on


TAMPERED: dict[str, tuple[Callable[[Lines], None], str]] = {
    "changed": (edit(2, actor_label="x"), "event 2 (line 3) was changed since seal 1"),
    "removed": (lambda lines: lines.pop(6), "event 4 was removed: seal 2 holds it"),
    "inserted": (copy_as(3, 7), "event 7 (line 5) was inserted: seal 1 does not hold it there"),
    "inserted twice": (copy_as(3, 3), "event 3 (line 5) was inserted: seal 1 does not hold it there"),
    "inserted at the end": (
        lambda lines: lines.insert(13, canonical(json.loads(lines[10]) | {"id": 8})),
        "event 8 (line 14) was inserted: no seal holds it there",
    ),
    "reordered": (swap(1, 3), "event 3 (line 2) was moved: event 1 belongs there"),
    "moved to another seal": (swap(3, 6), "event 4 was moved to another seal's events"),
    "a seal removed": (lambda lines: lines.__delitem__(slice(6, 10)), "seal 3 stands where seal 2 belongs"),
    "a seal changed": (edit(8, total=9), "seal 2 was changed: its hash is not that of what it says"),
    "a seal's list changed": (
        edit(8, events=[]),
        "seal 2 was changed: its list of events is not the one that was sealed",
    ),
    "a signature forged": (edit(12, signature="00" * 64), "the checkpoint at seal 3 is not signed by a known key"),
    "a checkpoint of another trail": (edit(12, chain="platform"), "the checkpoint at seal 3 is not signed"),
    "cut off": (lambda lines: lines.__delitem__(slice(11, None)), "the end is missing: the file was cut off"),
    "no line of a trail": (lambda lines: lines.insert(2, b"\xff{"), "line 3 was changed"),
    "a line of wrong kinds": (edit(4, count="x", number=[]), "line 5 was changed"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_done_to_an_export_is_found_and_named(exported: Lines, name: str) -> None:
    change, expected = TAMPERED[name]
    lines = list(exported)
    change(lines)
    findings = verify_lines(lines).findings
    assert any(line.startswith(expected) for line in findings), findings


def test_an_event_that_is_called_withheld_is_told_as_missing_from_the_export(exported: Lines) -> None:
    lines = list(exported)
    hide(1, 4)(lines)
    report = verify_lines(lines)
    assert report.withheld == 1
    assert any("partial: 1 more events are withheld" in line for line in offline.describe(report, key_given=True))
    assert "1 events were taken out: the head says that no filter left any out" in report.findings


def test_an_export_that_ends_at_an_older_signature_is_told_by_its_count(exported: Lines) -> None:
    first = next(number for number, line in enumerate(exported) if json.loads(line)["type"] == "checkpoint")
    findings = verify_lines([*exported[: first + 1], exported[-1]]).findings
    assert len(findings) == 1 and "or events were taken out" in findings[0], findings


def test_the_script_alone_verifies_with_the_standard_library_and_a_key_from_elsewhere(
    place: Workspace, exported: Lines, tmp_path: Path
) -> None:
    answer = place.owner.browser().get(f"/t/{place.slug}/audit-events/verify_trail.py")
    script, file = tmp_path / "verify_trail.py", tmp_path / "export.jsonl"
    script.write_bytes(answer.data)
    file.write_bytes(b"\n".join(exported) + b"\n")
    (key,) = set(json.loads(exported[0])["keys"].values()) & set(_keys_that_signed(exported))
    alone = [sys.executable, "-I", "-S", str(script), str(file)]
    good = subprocess.run([*alone, "--key", key], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith(f"whole: 6 events in seals 1 to 3 of trail {place.ref.id}\n")
    other = subprocess.run([*alone, "--key", "11" * 32], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "not signed by a known key" in other.stdout


def _keys_that_signed(lines: Lines) -> list[str]:
    used = {json.loads(line)["key"] for line in lines if json.loads(line)["type"] == "checkpoint"}
    return [key for name, key in json.loads(lines[0])["keys"].items() if name in used]


def test_a_filtered_export_withholds_the_rest_and_is_verified_all_the_same(place: Workspace) -> None:
    lines = place.owner.api("GET", "/audit-events/export?object_type=entry&object_id=4").data.splitlines()
    report = verify_lines(lines)
    assert report.findings == []
    assert (report.events, report.withheld, report.first_seal, report.last_seal) == (1, 1, 2, 2)
    assert kinds(lines) == ["trail", "checkpoint", "event", "seal", "checkpoint", "end"]
    assert json.loads(lines[0])["filter"] == {"object_id": "4", "object_type": "entry"}
    empty = place.owner.api("GET", "/audit-events/export?q=nowhere").data.splitlines()
    assert kinds(empty) == ["trail", "end"]
    assert verify_lines(empty).findings == []


def test_a_spreadsheet_runs_nothing_of_an_export_and_the_reading_is_an_event(cast: Cast) -> None:
    body = {"name": '=HYPERLINK("http://evil")', "kind": "asset", "currency": "EUR"}
    cast.alice.api("POST", "/accounts", json=body)
    page = f"/t/{cast.acme.slug}/audit-events/export?format=csv&action=account.opened"
    answer = cast.carol.browser().get(page)
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=trail-")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    rows = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert [row["actor_label"] for row in rows] == [cast.alice.email]
    assert json.loads(rows[0]["difference"])["name"] == [None, body["name"]]
    (event,) = cast.alice.api("GET", "/audit-events?action=trail.exported").json["data"]
    assert event["actor"] == cast.carol.email
    assert event["difference"] == {"format": [None, "csv"], "filters": [None, {"action": "account.opened"}]}
    assert "export_made" in told(cast.app, cast.carol.email)
    assert cast.app.view_functions["office_trail.export"].confirm is True
    assert cast.app.view_functions["platform_trail.export"].confirm is True
    assert cast.mallory.browser().get(page).status_code == 404
    refused = cast.alice.browser().get(f"/t/{cast.acme.slug}/audit-events/export?format=xlsx")
    assert refused.status_code == 422


@given(st.text(min_size=1))
def test_no_cell_of_an_export_begins_as_a_formula(cell: str) -> None:
    shown = harmless(cell)
    assert shown in {cell, f"'{cell}"}
    assert shown.lstrip()[:1] not in set("=+-@＝＋－＠")


def test_operators_read_and_export_the_trail_of_the_installation_and_nobody_else(
    cast: Cast, owner: Engine, ring: KeyRing
) -> None:
    Sealer(owner, ring, utc_now).run()
    browser = cast.olga.browser()
    page = browser.get("/platform/audit-events?action=person.added&q=pat")
    assert page.status_code == 200
    assert "Person added" in browser.get("/platform/audit-events?q=olga&action=person.added").text
    lines = browser.get("/platform/audit-events/export?format=jsonl").data.splitlines()
    report = verify_lines(lines)
    assert (report.chain, report.findings) == ("platform", [])
    assert report.events > 5
    for path in ("", "/export", "/verify_trail.py"):
        assert cast.alice.browser().get(f"/platform/audit-events{path}").status_code == 404


def test_signatures_are_checked_as_rfc_8032_says() -> None:
    # RFC 8032, 7.1, tests 1 to 3; then a signature whose S is not reduced (malleability, 5.1.7).
    vectors = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ]
    for key, message, signature in vectors:
        signed = bytes.fromhex(signature)
        assert verify_signature(bytes.fromhex(key), bytes.fromhex(message), signed)
        assert not verify_signature(bytes.fromhex(key), bytes.fromhex(message) + b"x", signed)
        order = 2**252 + 27742317777372353535851937790883648493
        loose = signed[:32] + (int.from_bytes(signed[32:], "little") + order).to_bytes(32, "little")
        assert not verify_signature(bytes.fromhex(key), bytes.fromhex(message), loose)


def test_an_export_has_its_limit(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.audit.exports.count.__kwdefaults__", {"limit": 1})
    for name in ("One", "Two"):
        cast.alice.api("POST", "/accounts", json={"name": name, "kind": "asset", "currency": "EUR"})
    answer = cast.alice.api("GET", "/audit-events/export")
    assert answer.status_code == 422
    assert answer.json["code"] == "export_too_large"
