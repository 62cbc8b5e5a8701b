"""A workspace moves to another installation: another server, other master keys, other people."""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Cast
from tests.webapp.backups.test_restore import IBAN, Vault, books
from webapp.backups import restoring, rules
from webapp.embedded.postgres import EmbeddedPostgres
from webapp.identity import queries as identity
from webapp.kernel.crypto import new_ring, of_tenant, ring_of
from webapp.kernel.db import Database, app_url, owner_engine
from webapp.settings import Settings
from webapp.tenancy import queries as tenancy
from webapp.tenancy.preparation import prepare_database
from webapp.web.state import KEY


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Iterator[Vault]:
    """Return another installation: a server, a secret and master keys of its own."""
    master = "other:" + base64.b64encode(bytes(range(100, 132))).decode()
    with tempfile.TemporaryDirectory(prefix="comptoir-test-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres", fast=True)
        try:
            secret = "another-secret-key-of-more-than-thirty-two-characters"
            url = postgres.start()
            other = replace(settings, database_url=url, secret_key=secret, master_keys=master, master_keys_file="")
            engine = owner_engine(url)
            prepare_database(engine, secret)
            with closing(Database(app_url(url, secret), pool_size=2)) as database:
                database.keys = new_ring(other)
                (tmp_path / "elsewhere").mkdir()
                yield Vault(engine, database, tmp_path / "elsewhere")
            engine.dispose()
        finally:
            postgres.stop()


def test_a_workspace_moves_with_its_people_and_fields_and_only_as_it_was_asked_for(
    cast: Cast, app: Flask, owner: Engine, elsewhere: Vault, tmp_path: Path
):
    ids = books(cast)
    here = Vault(owner, app.extensions[KEY].database, tmp_path)
    here.seal()
    source_keys = here.trusted()
    stay = here.take(cast.acme.ref)
    here.recipient = elsewhere.recipient
    moved = here.take(cast.acme.ref, for_move=True)
    with pytest.raises(rules.WrongKey):
        here.inspect(moved.path)
    with pytest.raises(rules.UnsignedBackup):
        elsewhere.inspect(moved.path)
    found = elsewhere.inspect(moved.path, trusted=source_keys)
    # What was not taken to move keeps its fields to itself, although it could be opened and its signer is trusted.
    elsewhere_keys = elsewhere.keys
    elsewhere.keys = here.keys
    with pytest.raises(restoring.MasterKeyMissing):
        elsewhere.restore(
            stay.path, cast.acme.slug, found=elsewhere.inspect(stay.path, trusted=source_keys), owner_email=""
        )
    elsewhere.keys = elsewhere_keys

    done = elsewhere.restore(moved.path, f"moved-{uuid4().hex[:8]}", found=found)
    assert done.tenant == cast.acme.ref and done.members == 4 and not done.is_same_trail
    assert elsewhere.take(done.tenant).manifest.digest == moved.manifest.digest == stay.manifest.digest
    with elsewhere.database.tenant(done.tenant) as session:
        sealed = session.scalar(text("SELECT iban_sealed FROM account WHERE id = :id"), {"id": ids[0]})
        assert (
            session.scalar(text("SELECT balance FROM account_balance WHERE account_id = :id"), {"id": ids[0]}) == -900
        )
    plain = ring_of(elsewhere.database).open(bytes(sealed), context=of_tenant("account.iban", done.tenant.id))
    assert plain.decode() == IBAN
    with elsewhere.database.platform() as session:
        alice = identity.person_by_email(session=session, email=cast.alice.email)
        place = tenancy.membership(session=session, slug=done.slug, person_id=cast.alice.id)
    assert alice is not None and alice.id == cast.alice.id and not alice.is_operator
    assert place is not None and place.role == "owner"
