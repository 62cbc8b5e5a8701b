"""A workspace is backed up and put back, beside and in place; a file that is not as it was written changes nothing."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Connection, Engine, text
from sqlalchemy.orm import Session

from tests.cast import STAGE, Cast
from tests.webapp.tenancy.contents import Nest, fill, make_nest
from webapp.audit import signing
from webapp.audit.sealer import Sealer
from webapp.audit.seals import Chain
from webapp.audit.verification import snapshot, verify
from webapp.backups import envelope, inspection, restoring, rules, taking
from webapp.backups.inspection import Inspected
from webapp.backups.restoring import Restored
from webapp.kernel.clock import utc_now
from webapp.kernel.crypto import of_tenant, ring_of
from webapp.kernel.db import Database, TenantRef
from webapp.tenancy import doctor
from webapp.tenancy import schema as schemas
from webapp.tenancy.doctor import examine
from webapp.tenancy.provisioning import remove_tenant
from webapp.web.state import KEY

IBAN = "FR7630006000011234567890189"


class Vault:
    """Takes backups and puts them back, as the commands do."""

    def __init__(self, owner: Engine, database: Database, folder: Path) -> None:
        self.owner, self.database, self.folder = owner, database, folder
        self.identity = folder / "identity"
        self.recipient = envelope.make_identity(self.identity)
        self.keys = envelope.identities(self.identity)

    def trusted(self) -> dict[str, bytes]:
        with Session(self.owner) as session, session.begin():
            keys = signing.vouched_keys(session=session, vault=ring_of(self.database))
        return {key.id: key.public_key for key in keys if key.vouched}

    def take(self, tenant: TenantRef, **more: Any) -> taking.Taken:
        return taking.take(
            engine=self.owner,
            database=self.database,
            tenant_id=tenant.id,
            at=utc_now(),
            path=self.folder / f"{uuid4().hex}.comptoir",
            recipients=[self.recipient],
            **more,
        )

    def inspect(self, path: Path, **more: Any) -> Inspected:
        return inspection.inspect(**{"path": path, "identities": self.keys, "trusted": self.trusted(), **more})

    def restore(self, path: Path, slug: str = "", **more: Any) -> Restored:
        return restoring.restore(
            engine=self.owner,
            database=self.database,
            path=path,
            identities=self.keys,
            **{
                "found": more.pop("found", None) or self.inspect(path),
                "actor": STAGE,
                "at": utc_now(),
                "new_id": uuid4(),
                "slug": slug,
                "own_keys": self.trusted(),
                **more,
            },
        )

    def seal(self) -> None:
        Sealer(self.owner, ring_of(self.database), utc_now).run()

    def schemas(self) -> list[str]:
        with self.owner.connect() as connection:
            return list(connection.scalars(text("SELECT nspname FROM pg_namespace ORDER BY 1")))


@pytest.fixture
def vault(owner: Engine, app: Flask, tmp_path: Path) -> Vault:
    return Vault(owner, app.extensions[KEY].database, tmp_path)


@pytest.fixture
def full(app: Flask, owner: Engine) -> Nest:
    """Return a workspace with a row in every table, every sealed field among them."""
    nest = make_nest(app, owner, "b")
    fill(owner, nest, 700)
    return nest


def books(cast: Cast) -> tuple[int, int]:
    """Open a bank with a number and a cost, and book one entry."""
    bank = cast.alice.api("POST", "/accounts", json={"kind": "asset", "name": "Bank", "currency": "EUR", "iban": IBAN})
    cost = cast.alice.api("POST", "/accounts", json={"kind": "expense", "name": "Rent", "currency": "EUR"})
    assert (bank.status_code, cost.status_code) == (201, 201), bank.get_json()
    ids = bank.get_json()["id"], cost.get_json()["id"]
    assert book(cast, ids) == 201
    return ids


def book(cast: Cast, ids: tuple[int, int], who: Any = None, amount: int = 9) -> int:
    lines = [{"account_id": ids[0], "amount": f"-{amount}.00"}, {"account_id": ids[1], "amount": f"{amount}.00"}]
    entry = {"date": "2026-11-20", "description": "Rent", "postings": [{**line, "currency": "EUR"} for line in lines]}
    return (who or cast.alice).api("POST", "/entries", json=entry).status_code


def analysed(connection: Connection, schema: str) -> int:
    """Return how often tables of a schema were analysed by somebody: each is locked until the transaction ends."""
    query = "SELECT sum(analyze_count) FROM pg_stat_all_tables WHERE schemaname = :schema"
    return int(connection.scalar(text(query), {"schema": schema}) or 0)


def closed_text(value: bytes) -> str:
    return value.decode("latin-1")


def test_every_row_comes_back_beside_with_equal_digests_and_readable_fields(full: Nest, vault: Vault, owner: Engine):
    vault.seal()
    taken = vault.take(full.workspace.ref)
    again = vault.take(full.workspace.ref)
    assert again.manifest.tables == taken.manifest.tables
    assert [one.name for one in taken.manifest.tables if not one.rows and not one.name.startswith("audit_")] == []
    assert full.canary not in closed_text(taken.path.read_bytes())

    done = vault.restore(taken.path, f"c{uuid4().hex[:12]}")
    copy = vault.take(done.tenant).manifest
    assert done.tenant.id != full.workspace.ref.id
    assert copy.digest == taken.manifest.digest
    assert {one.name: one.rows for one in copy.tables if not one.name.startswith("audit_")} == {
        one.name: one.rows for one in taken.manifest.tables if not one.name.startswith("audit_")
    }
    ring = ring_of(vault.database)
    for ref in (full.workspace.ref, done.tenant):
        with vault.database.tenant(ref) as session:
            row = session.execute(
                text("SELECT iban_sealed, iban_blind FROM account WHERE iban_sealed IS NOT NULL")
            ).first()
        plain = ring.open(bytes(row[0]), context=of_tenant("account.iban", ref.id)).decode()
        assert ring.blind(plain, context=of_tenant("account.iban", ref.id)) == bytes(row[1])
    # Where an id was given out, none comes again: a deleted entry's number stays its own.
    with vault.database.tenant(done.tenant) as session:
        number = session.scalar(text("SELECT nextval('entry_id_seq')"))
        assert number == taken_last(taken, "entry") + 1
    with owner.connect() as connection:
        assert [one for one in examine(connection) if done.tenant.schema in one.what] == []
        assert (
            connection.scalar(text("SELECT count(*) FROM platform.token WHERE tenant_id = :id"), {"id": done.tenant.id})
            == 0
        )
    # The copy has a trail of its own that verifies, and says where the one of the original ended.
    vault.seal()
    with Session(owner) as session, session.begin():
        keys = [one for one in signing.vouched_keys(session=session, vault=ring) if one.vouched]
    with snapshot(owner) as session:
        found = verify(session=session, chain=Chain.of(done.tenant.id), keys=keys)
        assert found.findings == []
        said = session.scalar(
            text("SELECT difference -> 'trail' -> 1 FROM audit_event WHERE action = 'tenant.restored'")
        )
    assert said == {"seal": taken.manifest.trail.number, "hash": taken.manifest.trail.hash}


def taken_last(taken: taking.Taken, table: str) -> int:
    (found,) = [one.last_id for one in taken.manifest.tables if one.name == table]
    assert found is not None
    return found


def test_a_workspace_goes_back_in_place_while_another_posts_and_the_trail_forgets_nothing(
    cast: Cast, vault: Vault, owner: Engine
):
    ids = books(cast)
    vault.seal()
    taken = vault.take(cast.acme.ref)
    assert book(cast, ids, amount=12345) == 201
    vault.seal()
    other = tuple(
        cast.mallory.api("POST", "/accounts", json={"kind": kind, "name": kind, "currency": "EUR"}).get_json()["id"]
        for kind in ("asset", "expense")
    )
    codes, over = [], threading.Event()

    def post() -> None:
        while not over.is_set():
            codes.append(book(cast, other, cast.mallory))  # type: ignore[arg-type]

    posting = threading.Thread(target=post)
    posting.start()
    try:
        done = vault.restore(taken.path)
    finally:
        over.set()
        posting.join()
    assert codes and set(codes) == {201}
    assert done.tenant == cast.acme.ref and done.is_same_trail
    told = cast.alice.api("GET", f"/accounts/{ids[0]}").get_json()
    assert told["balance"]["amount"] == "-9.00" and told["iban"] == IBAN
    assert book(cast, ids) == 201
    with vault.database.tenant(cast.acme.ref) as session:
        actions = session.scalars(text("SELECT action FROM audit_event ORDER BY id")).all()
    assert actions.count("entry.posted") == 3 and "tenant.restored" in actions
    vault.seal()
    with Session(owner) as session, session.begin():
        keys = [one for one in signing.vouched_keys(session=session, vault=ring_of(vault.database)) if one.vouched]
    with snapshot(owner) as session:
        assert verify(session=session, chain=Chain.of(cast.acme.ref.id), keys=keys).findings == []
    assert done.aside in vault.schemas()
    with owner.connect() as connection:
        assert analysed(connection, cast.acme.ref.schema) and not analysed(connection, cast.bravo.ref.schema)
        assert connection.scalar(text(f"SELECT count(*) FROM {done.aside}.entry")) == 2
        assert [one for one in examine(connection) if cast.acme.ref.schema in one.what or done.aside in one.what] == []


def damaged(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


def reheaded(path: Path) -> None:
    """Damage the middle and write a first line that agrees, as somebody would who wants it believed."""
    content = bytearray(path.read_bytes()[rules.FIRST_LINE_BYTES :])
    content[len(content) // 2] ^= 1
    digest = rules.sha256(bytes(content)).hexdigest()
    path.write_bytes(rules.first_line(len(content), digest) + content)


CASES: dict[str, tuple[Callable[[Path], Any], type[Exception]]] = {
    "another file": (lambda path: path.write_bytes(b"PK\x03\x04" * 99), rules.NotABackup),
    "an empty file": (lambda path: path.write_bytes(b""), rules.NotABackup),
    "truncated by a byte": (lambda path: cut(path, 1), rules.TruncatedBackup),
    "truncated by half": (lambda path: cut(path, path.stat().st_size // 2), rules.TruncatedBackup),
    "a bit in the middle": (lambda path: damaged(path, path.stat().st_size // 2), rules.DamagedBackup),
    "a bit at the end": (lambda path: damaged(path, -1), rules.DamagedBackup),
    "a bit, and a checksum that agrees": (reheaded, rules.DamagedBackup),
    "a newer format": (
        lambda path: path.write_bytes(path.read_bytes().replace(b"backup/1 ", b"backup/2 ", 1)),
        rules.NewerBackup,
    ),
}


def test_what_is_not_as_it_was_written_is_refused_with_its_reason(cast: Cast, vault: Vault, tmp_path: Path):
    books(cast)
    taken = vault.take(cast.acme.ref)
    before, whole = vault.schemas(), taken.path.read_bytes()
    for name, (spoil, expected) in CASES.items():
        taken.path.write_bytes(whole)
        spoil(taken.path)
        with pytest.raises(expected):
            vault.restore(taken.path, f"c{uuid4().hex[:12]}")
        assert vault.schemas() == before, name
    taken.path.write_bytes(whole)
    other = tmp_path / "other"
    envelope.make_identity(other)
    with pytest.raises(rules.WrongKey):
        vault.inspect(taken.path, identities=envelope.identities(other))
    with pytest.raises(rules.UnsignedBackup):
        vault.inspect(taken.path, trusted={})
    # Whoever has the public key can close a file; without the signing key it stays a stranger's.
    stranger = signing.Signer(b"s" * 32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taking, "open_signer", lambda **_: stranger)
        forged = vault.take(cast.acme.ref)
    with pytest.raises(rules.UnsignedBackup):
        vault.restore(forged.path, f"c{uuid4().hex[:12]}")
    assert vault.inspect(forged.path, trusted={stranger.key_id: stranger.public_key}).signed_by == stranger.key_id
    assert vault.schemas() == before


def test_what_lies_about_itself_under_a_good_signature_changes_nothing(cast: Cast, vault: Vault):
    books(cast)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taking, "version", lambda _name: "99.0.0")
        taken = vault.take(cast.acme.ref)
    before, found = vault.schemas(), vault.inspect(taken.path)

    def told(**changes: Any) -> Inspected:
        return replace(found, manifest=replace(found.manifest, **changes))

    slug = f"c{uuid4().hex[:12]}"
    with pytest.raises(rules.NewerBackup, match=r"99\.0\.0"):
        vault.restore(taken.path, slug, found=told(revision="9999"))
    tables = [
        replace(one, sums={**one.sums, "amount": "1"}) if one.name == "posting" else one
        for one in found.manifest.tables
    ]
    with pytest.raises(rules.NotAsSaid, match="posting: sums"):
        vault.restore(taken.path, slug, found=told(tables=tuple(tables)))
    with pytest.raises(rules.NotAsSaid, match="entry"):
        vault.restore(
            taken.path, slug, found=told(tables=tuple(one for one in found.manifest.tables if one.name != "entry"))
        )
    with pytest.raises(restoring.MasterKeyMissing):
        vault.restore(taken.path, slug, found=replace(found, keys=[{**one, "master_id": "gone"} for one in found.keys]))
    with pytest.raises(restoring.SlugTaken):
        vault.restore(taken.path, cast.acme.slug)
    assert vault.schemas() == before
    with vault.database.platform() as session:
        assert session.scalar(text("SELECT count(*) FROM tenant WHERE slug = :slug"), {"slug": slug}) == 0


def test_a_removed_workspace_comes_back_under_its_own_id_with_its_trail(cast: Cast, vault: Vault, owner: Engine):
    ids = books(cast)
    vault.seal()
    taken = vault.take(cast.acme.ref)
    remove_tenant(owner, slug=cast.acme.slug)
    done = vault.restore(taken.path, cast.acme.slug)
    assert done.tenant == cast.acme.ref and done.is_same_trail and done.members == 4
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/accounts")
    assert page.status_code == 200 and IBAN[-4:] in page.get_data(as_text=True)
    assert ids


def test_a_backup_of_an_older_revision_is_brought_to_the_newest(
    cast: Cast, vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    books(cast)
    taken = vault.take(cast.acme.ref)
    head = schemas.tenant_revisions()
    chain = tmp_path / "tenant"
    (chain / "versions").mkdir(parents=True)
    (chain / "former").mkdir()
    (chain / "former" / f"{head.head()}.sql").write_text((head.directory / "head.sql").read_text())
    for path in (head.directory / "versions").glob("*.py"):
        (chain / "versions" / path.name).write_text(path.read_text())
    (chain / "versions" / "20990101_0000_9001_more.py").write_text(
        f'"""More."""\nfrom alembic import op\nrevision = "9001"\ndown_revision = "{head.head()}"\n'
        "def upgrade():\n    op.execute(\"ALTER TABLE account ADD COLUMN more text NOT NULL DEFAULT 'x'\")\n"
    )
    newer = schemas.Revisions("tenant", chain)
    for module in (schemas, restoring, doctor):
        monkeypatch.setattr(module, "tenant_revisions", lambda: newer)
    schemas._tenant_template.cache_clear()
    try:
        done = vault.restore(taken.path, f"c{uuid4().hex[:12]}")
    finally:
        schemas._tenant_template.cache_clear()
    with vault.database.tenant(done.tenant) as session:
        assert session.scalar(text("SELECT revision FROM _tenant_marker")) == "9001"
        assert session.scalar(text("SELECT min(more) FROM account")) == "x"
    # Other tests of this server know no such revision.
    remove_tenant(vault.owner, slug=done.slug)
