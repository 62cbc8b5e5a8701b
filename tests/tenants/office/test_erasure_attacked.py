"""Attacks on the erasure of a workspace: what was called back stays, what is erased leaves no file behind."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests import hands
from tests.cast import STAGE, Cast
from tests.tenants.office.test_erasure import let_days_pass
from tests.webapp.backups.test_restore import Vault, books
from webapp.backups import commands, erasures, shelf
from webapp.kernel.errors import NotFound
from webapp.settings import Settings
from webapp.tenancy import commands as tenancy
from webapp.tenancy import queries as tenancy_queries
from webapp.tenancy import registry
from webapp.web.state import KEY


def suspend(app: Flask, slug: str, *, suspended: bool) -> None:
    """Stop or resume a workspace as an operator does."""
    with app.extensions[KEY].database.platform() as session:
        tenancy.set_suspended(session=session, actor=STAGE, at=datetime.now(UTC), slug=slug, suspended=suspended)


def forget_erasures(owner: Engine) -> None:
    with owner.begin() as connection:
        connection.execute(text("UPDATE platform.tenant SET erase_at = NULL, erase_asked_by = NULL"))
        connection.execute(text("DELETE FROM platform.job WHERE kind = :kind"), {"kind": erasures.ERASE})


@pytest.fixture(autouse=True)
def leaves_nothing(cast: Cast, owner: Engine) -> Iterator[None]:
    """Meet nothing that was asked for before, and let no other test's clock meet what was asked for here."""
    forget_erasures(owner)
    yield
    forget_erasures(owner)
    with owner.begin() as connection:
        connection.execute(text("UPDATE platform.tenant SET name = 'Acme' WHERE id = :id"), {"id": cast.acme.ref.id})


def ask_for_erasure(cast: Cast, name: str) -> int:
    """Ask for Acme's erasure as its owner; return the status of the answer."""
    return int(cast.alice.post(f"/t/{cast.acme.slug}/erasure", {"name": name}).status_code)


def state(owner: Engine) -> str:
    """Return the state of the one job that erases."""
    with owner.connect() as connection:
        return connection.execute(
            text("SELECT state FROM platform.job WHERE kind = :kind"), {"kind": erasures.ERASE}
        ).scalar_one()


def again(owner: Engine) -> None:
    """Queue every erasure that was stopped anew, as an operator's Retry does."""
    with owner.begin() as connection:
        query = "UPDATE platform.job SET state = 'queued', attempts = 0, available_at = created_at WHERE kind = :kind"
        connection.execute(text(query), {"kind": erasures.ERASE})


def test_an_erasure_that_was_called_back_half_way_is_not_ended_by_a_second_run(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    books(cast)
    assert ask_for_erasure(cast, "Acme") == 303
    clock = let_days_pass(settings, days=7, minutes=1)

    def breaks(*_args, **_kwargs):
        raise OSError("the folder of the backups may not be written")

    monkeypatch.setattr("webapp.backups.erasing._delete", breaks)
    hands.work(settings, erasures.ERASE, clock=clock)
    monkeypatch.undo()
    suspend(app, cast.acme.slug, suspended=False)
    assert cast.alice.api("POST", "/erasure/recall", json={}).status_code == 200

    again(owner)
    hands.work(settings, erasures.ERASE, clock=clock)
    assert cast.alice.api("GET", "/accounts").status_code == 200, "called back, and erased nevertheless"
    assert state(owner) == "done"
    with owner.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM platform.erasure WHERE NOT is_done")) == 0


def test_a_worker_whose_clock_is_behind_erases_later_and_not_never(cast: Cast, owner: Engine, settings: Settings):
    books(cast)
    assert ask_for_erasure(cast, "Acme") == 303
    clock = let_days_pass(settings, days=7, seconds=1)
    behind = hands.Clock(clock.at - timedelta(seconds=30))
    hands.work(settings, erasures.ERASE, clock=behind)
    assert state(owner) == "queued"
    hands.work(settings, erasures.ERASE, clock=hands.Clock(clock.at + timedelta(minutes=1)))
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/accounts").status_code == 404


def test_a_workspace_that_a_wrong_clock_closed_is_open_again_with_new_days_of_grace(
    cast: Cast, owner: Engine, settings: Settings
):
    books(cast)
    assert ask_for_erasure(cast, "Acme") == 303
    ahead = let_days_pass(settings, days=7, minutes=1)
    assert cast.alice.api("GET", "/accounts").status_code == 403
    right = hands.Clock(ahead.at - timedelta(days=6))
    hands.work(settings, erasures.ERASE, clock=right)
    assert state(owner) == "done"
    until = datetime.fromisoformat(cast.alice.api("GET", "/erasure").json["erase_at"])
    assert until - right.at == erasures.GRACE
    assert cast.bob.api("GET", "/accounts").status_code == 200


def test_days_in_which_an_operator_keeps_everybody_out_are_no_days_of_grace(cast: Cast, app: Flask, settings: Settings):
    books(cast)
    assert ask_for_erasure(cast, "Acme") == 303
    suspend(app, cast.acme.slug, suspended=True)
    clock = let_days_pass(settings, days=7, minutes=1)
    hands.work(settings, erasures.ERASE, clock=clock)
    suspend(app, cast.acme.slug, suspended=False)
    assert cast.alice.api("GET", "/accounts").status_code == 200, "suspended promises that nothing is lost"
    again_at = datetime.fromisoformat(cast.alice.api("GET", "/erasure").json["erase_at"])
    assert again_at > clock.at + timedelta(days=1), "an owner has time to call it back"
    assert cast.alice.api("POST", "/erasure/recall", json={}).status_code == 200


def test_a_backup_that_is_written_while_its_workspace_is_erased_is_erased_too(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    books(cast)
    vault = Vault(owner, app.extensions[KEY].database, tmp_path)
    there = replace(settings, backup_dir=str(tmp_path / "kept"), backup_recipients=vault.recipient)
    real = shelf.take

    def slow(**asked):
        taken = real(**asked)
        assert ask_for_erasure(cast, "Acme") == 303
        clock = let_days_pass(settings, days=7, minutes=1)
        hands.work(settings, erasures.ERASE, clock=clock)
        # Written whole after the erasure looked for files: the last block, or the move to its name.
        asked["path"].write_bytes(b"books")
        return taken

    monkeypatch.setattr(shelf, "take", slow)
    with pytest.raises(NotFound):
        shelf.take_down(
            settings=there,
            engine=owner,
            database=app.extensions[KEY].database,
            actor=STAGE,
            clock=lambda: datetime.now(UTC),
            backup_id=uuid4(),
            tenant_id=cast.acme.ref.id,
            slug=cast.acme.slug,
            kind="asked",
        )
    assert list((tmp_path / "kept").iterdir()) == [], "the books live on in a file that nobody knows of"


def test_a_backup_that_was_taken_between_two_runs_of_an_erasure_is_erased_too(
    cast: Cast, app: Flask, owner: Engine, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    books(cast)
    assert ask_for_erasure(cast, "Acme") == 303
    clock = let_days_pass(settings, days=7, minutes=1)

    def breaks(*_args, **_kwargs):
        raise OSError("the folder of the backups may not be written")

    monkeypatch.setattr("webapp.backups.erasing._delete", breaks)
    hands.work(settings, erasures.ERASE, clock=clock)
    monkeypatch.undo()
    late, at = tmp_path / "late.comptoir", clock.at
    late.write_bytes(b"books")
    about = {"session": None, "actor": STAGE, "at": at, "backup_id": uuid4(), "tenant_id": cast.acme.ref.id}
    with app.extensions[KEY].database.platform() as session:
        about["session"] = session
        commands.begin(**about, slug=cast.acme.slug, kind="nightly", file_name=str(late))
        commands.finish(**about, size_bytes=5, seconds=1, rows_count=1, digest="d", manifest="late manifest")
    again(owner)
    hands.work(settings, erasures.ERASE, clock=clock)
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/accounts").status_code == 404
    assert not late.exists(), "the books live on in a file that nobody knows of"


@pytest.mark.parametrize(
    ("name", "typed"),
    [("Two  words", "Two words"), ("Caf\u00e9\u202f!", "Caf\u00e9 !"), ("Cafe\u0301", "Caf\u00e9")],
)
def test_a_name_can_be_typed_as_it_is_read(cast: Cast, owner: Engine, name: str, typed: str):
    with owner.begin() as connection:
        connection.execute(
            text("UPDATE platform.tenant SET name = :name WHERE id = :id"), {"name": name, "id": cast.acme.ref.id}
        )
    assert ask_for_erasure(cast, typed + "x") == 422
    assert ask_for_erasure(cast, typed) == 303


def test_a_recall_and_the_closing_do_not_cross(cast: Cast, app: Flask, settings: Settings, owner: Engine):
    """The clock has read that days are over; an owner calls it back before it closes the workspace."""
    books(cast)
    assert ask_for_erasure(cast, "Acme") == 303
    real, done = erasures.registry.to_erase, []

    def read_then_recalled(**asked):
        found = real(**asked)
        if not done:
            done.append(cast.alice.api("POST", "/erasure/recall", json={}).status_code)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasures.registry, "to_erase", read_then_recalled)
        let_days_pass(settings, days=7, minutes=1)
    assert done == [200]
    assert cast.alice.api("GET", "/accounts").status_code == 200, "called back, and closed nevertheless"


def test_no_job_of_the_platform_tells_of_a_workspace_that_is_erased(
    cast: Cast, app: Flask, settings: Settings, owner: Engine
):
    slug = f"shop-{cast.number}"[:40].rstrip("-")
    asked = {"name": "Corner Shop", "slug": slug, "base_currency": "EUR", "owner_email": cast.alice.email}
    assert cast.olga.post("/workspaces", asked).status_code == 303
    hands.work(settings, registry.CREATE)
    database = app.extensions[KEY].database
    with database.platform() as session:
        tenant = tenancy_queries.tenant_by_slug(session=session, slug=slug)
        about = {"session": session, "actor": STAGE, "at": datetime.now(UTC)}
        commands.ask(**about, job_id=uuid4(), tenant_id=tenant.id, slug=slug)
    known = {one.kind for one in hands.queued(database) if one.arguments.get("tenant_id") == str(tenant.id)}
    assert known == {registry.CREATE, commands.TAKE}
    assert cast.alice.post(f"/t/{slug}/erasure", {"name": "Corner Shop"}).status_code == 303
    clock = let_days_pass(settings, days=7, minutes=1)
    hands.work(settings, erasures.ERASE, clock=clock)
    assert cast.alice.browser().get(f"/t/{slug}/accounts").status_code == 404
    left = [one for one in hands.queued(database) if one.kind != "mail.send"]
    assert [one.kind for one in left if slug in str(one.arguments) or "Corner Shop" in str(one.arguments)] == []
    (gone,) = [
        one.arguments["values"]["erasure"]
        for one in hands.queued(database, to=cast.alice.email)
        if one.arguments["letter"] == "workspace_erased"
    ]
    given = cast.alice.browser().get(f"/erasures/{gone}/certificate")
    with owner.connect() as connection:
        kept = connection.scalar(
            text("SELECT count(*) FROM platform.audit_event WHERE difference::text LIKE '%Corner Shop%'")
        )
    assert kept, "the installation's trail keeps what it was called when it was made"
    assert "what it was called" in json.loads(json.loads(given.data)["certificate"])["remains"][0]
