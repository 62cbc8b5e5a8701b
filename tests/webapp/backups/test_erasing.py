"""A workspace and a person are erased for good, and a signed certificate says so."""

import json
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Cast
from tests.webapp.backups.test_restore import Vault, books
from tests.webapp.cli.test_commands import Run, comptoir, refused  # noqa: F401
from webapp.audit.offline import verify_signature
from webapp.backups.erasing import signed_message
from webapp.settings import Settings
from webapp.web.state import KEY


@pytest.fixture(autouse=True)
def same_keys(settings: Settings, comptoir: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Let the commands seal with the keys of this installation."""
    monkeypatch.setenv("COMPTOIR_MASTER_KEYS_FILE", settings.master_keys_file)


def certificate(vault: Vault, path: Path) -> dict:
    """Verify a certificate by this installation's public key, and read it."""
    said = json.loads(path.read_text())
    content = said["certificate"].encode()
    assert verify_signature(vault.trusted()[said["key"]], signed_message(content), bytes.fromhex(said["signature"]))
    return json.loads(content)


def traces(owner: Engine, needle: str) -> list[str]:
    """Return the columns of all schemas in which a text stands, those of the trails among them."""
    query = """
        SELECT table_schema, table_name, column_name FROM information_schema.columns
        WHERE data_type IN ('text', 'jsonb', 'ARRAY') AND (table_schema = 'platform' OR table_schema LIKE 't\\_%')
    """
    # A transaction of its own for each: one would hold the locks of every workspace that other tests have made.
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return [
            f"{table}.{column}"
            for schema, table, column in connection.execute(text(query)).all()
            if connection.scalar(
                text(f"SELECT count(*) FROM {schema}.{table} WHERE {column}::text ILIKE '%' || :needle || '%'"),
                {"needle": needle},
            )
        ]


def test_a_workspace_is_erased_with_its_backups_and_a_certificate_says_so(
    cast: Cast,
    app: Flask,
    owner: Engine,
    comptoir: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    books(cast)
    vault = Vault(owner, app.extensions[KEY].database, tmp_path)
    monkeypatch.setenv("COMPTOIR_BACKUP_RECIPIENTS", vault.recipient)
    ended = comptoir("backup", "take", "--tenant", cast.acme.slug, "--to", str(tmp_path / "kept"))
    assert ended.code == 0, ended.err
    (kept,) = (tmp_path / "kept").glob("*.comptoir")
    digest = ended.out.split("digest ")[1].strip()
    assert kept.name in comptoir("backup", "list", "--tenant", cast.acme.slug).out

    to = tmp_path / "certificate.json"
    ended = comptoir("tenant", "erase", "--slug", cast.acme.slug, "--certificate", str(to), "--yes")
    assert ended.code == 0, ended.err
    said = certificate(vault, to)
    assert said["before"]["digest"] == digest and said["before"]["rows"]["entry"] == 1
    assert said["after"] == {"schemas": [], "roles": [], "rows": {}}
    assert len(said["backups_deleted"]) == 1 and not kept.exists()
    assert cast.alice.browser().get(f"/t/{cast.acme.slug}/accounts").status_code == 404
    again = tmp_path / "again.json"
    refused(comptoir("tenant", "erase", "--slug", cast.acme.slug, "--certificate", str(again), "--yes"))
    assert not again.exists()


def test_a_person_is_anonymised_everywhere_while_the_books_stay_whole(
    cast: Cast,
    app: Flask,
    owner: Engine,
    comptoir: Run,  # noqa: F811
    tmp_path: Path,
):
    ids = books(cast)
    vault = Vault(owner, app.extensions[KEY].database, tmp_path)
    vault.seal()
    before = vault.take(cast.acme.ref).manifest
    dave, to = cast.dave, tmp_path / "certificate.json"
    view = {"name": "Mine", "q": "rent"}
    assert dave.api("POST", "/views", json=view).status_code == 201
    line = refused(comptoir("person", "erase", "--email", cast.alice.email, "--certificate", str(to), "--yes"))
    assert f"last owner of {cast.acme.slug}" in line and not to.exists()

    ended = comptoir("person", "erase", "--email", dave.email, "--certificate", str(to), "--yes")
    assert ended.code == 0, ended.err
    said = certificate(vault, to)
    assert said["person_id"] == str(dave.id) and said["after"] == {}
    assert said["deleted"]["token.person_id"] == 1 and said["deleted"]["saved_view"] == 1
    assert dave.email not in to.read_text() and traces(owner, dave.email) == []
    assert dave.browser().get("/profile").status_code == 303
    assert dave.api("GET", "/accounts").status_code == 401
    assert cast.alice.api("GET", f"/accounts/{ids[0]}").status_code == 200
    assert "Erased person" not in cast.alice.browser().get(f"/t/{cast.acme.slug}/members").get_data(as_text=True)
    after = vault.take(cast.acme.ref).manifest
    book_tables = {"account", "account_balance", "account_day", "entry", "posting"}
    assert [one for one in after.tables if one.name in book_tables] == [
        one for one in before.tables if one.name in book_tables
    ]
    ended = comptoir("audit", "verify", "--tenant", cast.acme.slug)
    assert ended.code == 0, ended.out + ended.err
