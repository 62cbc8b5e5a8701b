"""Put a workspace back from a backup, beside what is there or in its place: whole and as it was said, or not at all.

The schema is made by our own scripts, as the owner; of the file only rows are taken. One transaction holds everything
and is compared with the manifest before it ends, while other workspaces go on.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg import errors
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.backups import belongings, tables
from webapp.backups.archive import unpacked
from webapp.backups.envelope import opened
from webapp.backups.inspection import SMALL_PARTS, Inspected
from webapp.backups.resealing import keys_of, reseal
from webapp.backups.rules import DamagedBackup, Manifest, NewerBackup, NotAsSaid, NotRestored, difference
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import Unopenable, ring_of
from webapp.kernel.db import Database, TenantRef
from webapp.kernel.errors import N_
from webapp.keys import commands as data_keys
from webapp.tenancy import provisioning
from webapp.tenancy.doctor import examine
from webapp.tenancy.provisioning import SlugTaken
from webapp.tenancy.schema import UnknownRevision, in_two, tenant_revisions, tenant_script
from webapp.tenancy.statements import run_statements

LOCK = 7_306_011
"""First key of the advisory lock of whoever restores a workspace; the second is the hash of its id."""
OF_THE_SERVER = frozenset({"database_rights", "set_config"})
"""What the doctor finds of the whole server, whatever a restore does."""
Beat = Callable[[int, int], None]


class MasterKeyMissing(NotRestored):
    """The backup's fields cannot be opened here."""

    code = "backup_master_key"
    message = N_("The fields of the backup cannot be opened here: %(why)s. Let it be taken with --for-move.")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has made: `aside` is the schema of before, empty where there was none."""

    tenant: TenantRef
    slug: str
    rows: int
    digest: str
    is_same_trail: bool
    aside: str
    members: int


@dataclass(slots=True)
class _Place:
    """Where a restore puts the workspace."""

    tenant: TenantRef
    schema: str
    slug: str
    name: str
    has_former: bool


def restore(
    *,
    engine: Engine,
    database: Database,
    path: Path,
    identities: list[str],
    found: Inspected,
    actor: Actor,
    at: datetime,
    new_id: UUID,
    slug: str = "",
    owner_email: str = "",
    own_keys: Collection[str] = (),
    beat: Beat = lambda _done, _total: None,
) -> Restored:
    """Restore an inspected backup as a new workspace called `slug`, or without it in the place of its own.

    `own_keys` are the names of this installation's signing keys: a trail that others signed begins anew.
    Raises SlugTaken, NewerBackup, NotRestored, MasterKeyMissing, NotAsSaid, DamagedBackup.
    """
    manifest = found.manifest
    with Session(engine) as session, session.begin():
        session.info["database"] = database
        driver: Any = session.connection().connection.driver_connection
        driver.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK, manifest.tenant_id))
        before = examine(session.connection())
        place = _place(session, driver, manifest, at, new_id, slug)
        late = _make_schema(driver, place, manifest)
        shapes = {shape.name: shape for shape in tables.shapes(driver)}
        _fill(driver, shapes, manifest, path, identities, beat)
        _compare(driver, shapes, manifest)
        members = 0
        if not place.has_former:
            members = belongings.put_back(session=session, found=found, tenant=place.tenant, at=at, owner=owner_email)
        _reseal(session, found, place, at)
        keeps_trail = place.tenant.id == manifest.tenant and set(manifest.trail.key_ids) <= set(own_keys)
        if not keeps_trail:
            _begin_trail_anew(driver)
        run_statements(driver, late)
        for table in manifest.tables:
            if table.last_id is not None:
                tables.continue_after(driver, shapes[table.name], table.last_id)
        _migrate(driver, place, manifest)
        aside = _take_its_place(driver, place, manifest, shapes, at) if place.has_former else ""
        tables.analyse(driver)
        _tell(session, place, found, actor, at)
        mine = place.tenant.schema, f"workspace {place.slug}:", *([aside] if aside else [])
        after = [one for one in examine(session.connection()) if one not in before and one.code not in OF_THE_SERVER]
        wrong = [one for one in after if any(name in one.what for name in mine)]
        if wrong:
            raise NotRestored(
                N_("After the restore %(what)s would not be apart from others: nothing was changed."),
                what=wrong[0].what,
            )
    return Restored(place.tenant, place.slug, manifest.rows, manifest.digest, keeps_trail, aside, members)


def _place(session: Session, driver: Any, manifest: Manifest, at: datetime, new_id: UUID, slug: str) -> _Place:
    """Decide where the workspace goes: a new one keeps the id of the backup where that is free."""
    there = session.execute(
        text("SELECT slug, name FROM platform.tenant WHERE id = :id"), {"id": manifest.tenant}
    ).first()
    if not slug:
        if there is None:
            raise NotRestored(
                N_("The workspace of this backup (%(slug)s) is not here: restore it as a new one with --as."),
                slug=manifest.slug,
            )
        tenant = TenantRef(manifest.tenant)
        return _Place(tenant, f"restoring_{tenant.id.hex}", there[0], there[1], has_former=True)
    role = TenantRef(manifest.tenant).schema
    is_free = there is None and driver.execute(
        "SELECT to_regrole(%(name)s) IS NULL AND to_regnamespace(%(name)s) IS NULL", {"name": role}
    ).fetchone() == (True,)
    tenant = TenantRef(manifest.tenant if is_free else new_id)
    try:
        driver.execute(
            "INSERT INTO platform.tenant (id, slug, name, schema_revision, base_currency, created_at)"
            " VALUES (%s, %s, %s, %s, 'EUR', %s)",
            (tenant.id, slug, manifest.name, tenant_revisions().needed(), at),
        )
    except errors.UniqueViolation:
        raise SlugTaken(slug=slug) from None
    except errors.CheckViolation:
        raise NotRestored(
            N_("%(slug)s cannot be a short name: use lower case letters, digits and hyphens, a letter first."),
            slug=slug,
        ) from None
    provisioning.make_role(driver, tenant)
    return _Place(tenant, tenant.schema, slug, manifest.name, has_former=False)


def _make_schema(driver: Any, place: _Place, manifest: Manifest) -> list[str]:
    """Make the empty schema as it was when the backup was taken; return what follows once the rows are there."""
    try:
        script = tenant_script(place.schema, place.tenant.id, manifest.revision, role=place.tenant.schema)
    except UnknownRevision:
        raise NewerBackup(made_by=f"{manifest.product}, revision {manifest.revision}") from None
    early, late = in_two(script)
    provisioning.fill_schema(driver, place.schema, early)
    tables.fix(driver, place.schema)
    return late


def _fill(
    driver: Any, shapes: dict[str, tables.Shape], manifest: Manifest, path: Path, identities: list[str], beat: Beat
) -> None:
    done, total = 0, manifest.rows
    rows = {one.name: one.rows for one in manifest.tables}
    with opened(path, identities) as file, unpacked(file) as archive:
        for name in SMALL_PARTS:
            archive.small(name)
        while name := archive.table():
            if name not in shapes:
                raise DamagedBackup(what=f"table {name}")
            try:
                tables.filled(driver, shapes[name], archive.pieces(name))
            except errors.DataError as error:
                raise DamagedBackup(what=str(error).splitlines()[0]) from None
            done += rows.get(name, 0)
            beat(done, total)


def _compare(driver: Any, shapes: dict[str, tables.Shape], manifest: Manifest) -> None:
    """Read back what was written and compare it with the manifest: rows, sums, digests; raises NotAsSaid."""
    if shapes.keys() != {one.name for one in manifest.tables}:
        raise NotAsSaid(what=", ".join(sorted(shapes.keys() ^ {one.name for one in manifest.tables})))
    for said in manifest.tables:
        if wrong := difference(said, tables.measured(driver, shapes[said.name], lambda _rows: None)):
            raise NotAsSaid(what=wrong)


def _reseal(session: Session, found: Inspected, place: _Place, at: datetime) -> None:
    """Seal every field for its workspace, unless it lies there under the very same keys."""
    ring, former = ring_of(session), found.manifest.tenant
    try:
        source = keys_of(ring, former, found.keys)
        if place.has_former:
            target = ring.keys_of(place.tenant.id)
            if set(source.seal) <= set(target.seal) and source.blind.items() <= target.blind.items():
                return
        else:
            target = data_keys.make_for(session=session, tenant_id=place.tenant.id, at=at)
        reseal(session=session, source=source, former=former, tenant_id=place.tenant.id, target=target)
    except Unopenable as error:
        raise MasterKeyMissing(why=str(error)) from None


def _begin_trail_anew(driver: Any) -> None:
    """Let all events of a copy be sealed once more, in a chain of its own name: two histories never share one."""
    driver.execute("TRUNCATE audit_seal, audit_checkpoint, audit_words, audit_unsealed")
    driver.execute("INSERT INTO audit_unsealed SELECT id FROM audit_event")


def _migrate(driver: Any, place: _Place, manifest: Manifest) -> None:
    chain = tenant_revisions()
    revision = manifest.revision
    if revision not in chain.suits():
        revision = chain.needed()
        run_statements(driver, chain.statements(manifest.revision, revision))
        driver.execute("UPDATE _tenant_marker SET revision = %s", (revision,))
    driver.execute("UPDATE platform.tenant SET schema_revision = %s WHERE id = %s", (revision, place.tenant.id))


_TRAIL = (("audit_event", "id"), ("audit_words", "event_id"), ("audit_seal", "number"), ("audit_checkpoint", "number"))


def _take_its_place(
    driver: Any, place: _Place, manifest: Manifest, shapes: dict[str, tables.Shape], at: datetime
) -> str:
    """Change places with the schema that is there, once nobody is in it; the trail forgets nothing by it."""
    old, new, aside = place.tenant.schema, place.schema, provisioning.name_aside(place.tenant, at)
    driver.execute(f"LOCK TABLE {old}._tenant_marker IN ACCESS EXCLUSIVE MODE".encode())
    head = driver.execute(
        f"SELECT encode(hash, 'hex') FROM {old}.audit_seal WHERE number = %s".encode(),  # noqa: S608 - a hexadecimal id
        (manifest.trail.number,),
    ).fetchone()
    if manifest.trail.number == 0 or head == (manifest.trail.hash,):
        # What is there goes on where the backup ended: what happened since stays on record.
        for name, key in _TRAIL:
            columns = ", ".join(shapes[name].columns)
            driver.execute(
                f"INSERT INTO {new}.{name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {old}.{name} o"  # noqa: S608 - names of our own
                f" WHERE NOT EXISTS (SELECT FROM {new}.{name} n WHERE n.{key} = o.{key})".encode()
            )
        driver.execute(f"TRUNCATE {new}.audit_unsealed".encode())
        driver.execute(f"INSERT INTO {new}.audit_unsealed SELECT * FROM {old}.audit_unsealed".encode())  # noqa: S608 - the same
        tables.continue_after(driver, shapes["audit_event"], 0)
    provisioning.swap_schema(driver, place.tenant, new=new, aside=aside)
    driver.execute(
        "UPDATE platform.tenant SET access_revision = access_revision + 1, stores_revision = stores_revision + 1"
        " WHERE id = %s",
        (place.tenant.id,),
    )
    tables.fix(driver, place.tenant.schema)
    return aside


def _tell(session: Session, place: _Place, found: Inspected, actor: Actor, at: datetime) -> None:
    """Write into both trails what was restored from what, and where the trail of then ended."""
    manifest = found.manifest
    difference = {
        "backup": (None, manifest.sha256),
        "taken_at": (None, manifest.taken_at),
        "of": (None, manifest.tenant_id),
        "signed_by": (None, found.signed_by),
        "trail": (None, {"seal": manifest.trail.number, "hash": manifest.trail.hash}),
    }
    for tenant in (place.tenant, None):
        session.info["tenant"] = tenant
        record(
            session=session,
            actor=actor,
            at=at,
            action="tenant.restored",
            object_type="tenant",
            object_id=place.tenant.id,
            difference=difference,
        )
