"""Erase a workspace for good, with a signed certificate of what was there and that nothing of it is left."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.audit import seals
from webapp.audit.commands import record
from webapp.audit.seals import Chain
from webapp.audit.signing import Signer, open_signer
from webapp.backups import tables
from webapp.backups.rules import books_digest
from webapp.identity import people
from webapp.identity import queries as identity
from webapp.jobs import commands as jobs
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import ring_of
from webapp.kernel.db import Database, TenantRef
from webapp.kernel.errors import N_, Conflict, NotFound
from webapp.tenancy import commands as tenancy
from webapp.tenancy import queries as registry
from webapp.tenancy.provisioning import remove_tenant
from webapp.tenancy.registry import CREATE

_LEFT = """
    SELECT c.table_name FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
    WHERE c.table_schema = 'platform' AND c.column_name = 'tenant_id' AND t.table_type = 'BASE TABLE'
    ORDER BY 1 LIMIT 200
"""
REMAINS = (
    "the installation's own trail: that the workspace was made, restored and erased, its id and what it was called",
    "backups of the whole installation, until their retention is over",
)
"""What an erasure does not reach, told in every certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was erased, when and by whom, as it was signed."""

    content: bytes
    key_id: str
    signature: str

    def written(self) -> str:
        """Return it as a file: the words in the very form that was signed, the key and the signature."""
        parts = {"certificate": self.content.decode(), "key": self.key_id, "signature": self.signature}
        return json.dumps(parts, indent=1, ensure_ascii=False) + "\n"


def signed_message(content: bytes) -> bytes:
    """Return what a certificate's signature signs."""
    return b"comptoir-erasure/1\n" + content


def certify(signer: Signer, said: dict[str, Any]) -> Certificate:
    """Sign what was erased."""
    content = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()
    return Certificate(content, signer.key_id, signer.sign(signed_message(content)).hex())


Found = dict[str, Any]
"""What an erasure found: the workspace as it was and the backups of it, ready for JSON."""


def erase_workspace(
    *,
    engine: Engine,
    database: Database,
    actor: Actor,
    at: datetime,
    slug: str,
    found: Found | None = None,
    keep: Callable[[Found], None] = lambda _found: None,
    asked_for: datetime | None = None,
) -> Certificate:
    """Drop a workspace, its backups that are noted here and every row that names it; as the owner of the schemas.

    `keep` is told what was found before anything is deleted; with it as `found`, an erasure that was cut off is ended.
    With `asked_for`, the moment for which owners asked, nothing is deleted once they have called it back.
    Raises NotFound, also then.
    """
    with Session(engine) as session, session.begin():
        signer = open_signer(session=session, vault=ring_of(database), at=at)
    if found is None:
        found = _found(engine, slug)
        keep(found)
    tenant = TenantRef(UUID(found["before"]["tenant_id"]))
    late = _delete(engine, tenant, found, asked_for)
    with database.platform() as session:
        jobs.forget_jobs(session=session, kind=CREATE, is_about=lambda told: told.get("tenant_id") == str(tenant.id))
    manifests = [one["manifest"] for one in found["backups"] if one["state"] == "done"]
    said = {
        "erased": "workspace",
        "at": at.isoformat(),
        "by": {"id": str(actor.person_id), "label": actor.label, "via": actor.via},
        "before": found["before"],
        "backups_deleted": list(dict.fromkeys(manifests + late)),
        "after": _after(engine, tenant),
        "remains": REMAINS,
    }
    certificate = certify(signer, said)
    with database.platform() as session:
        record(
            session=session,
            actor=actor,
            at=at,
            action="tenant.erased",
            object_type="tenant",
            object_id=tenant.id,
            difference={
                "digest": (found["before"]["digest"], None),
                "certificate": (None, certificate.signature),
                "signed_by": (None, signer.key_id),
            },
        )
    return certificate


def _found(engine: Engine, slug: str) -> Found:
    """Note the workspace as it is and the files of its backups."""
    before = _before(engine, slug)
    query = "SELECT state, file_name, manifest FROM platform.backup WHERE tenant_id = :id ORDER BY began_at, id"
    with Session(engine) as session, session.begin():
        rows = session.execute(text(query), {"id": before["tenant_id"]}).mappings().all()
    return {"before": before, "backups": [dict(row) for row in rows]}


def _delete(engine: Engine, tenant: TenantRef, found: Found, asked_for: datetime | None) -> list[str]:
    """Delete the files of backups, their rows and the workspace; what is gone already is well.

    Returns the manifests of the backups that are noted by now. Raises NotFound.
    """
    with Session(engine) as session, session.begin():
        # By its id: the short name of one that is gone may be another's by now. Locked: nobody calls it back meanwhile.
        there = session.execute(
            text("SELECT slug, erase_at FROM platform.tenant WHERE id = :id FOR NO KEY UPDATE"), {"id": tenant.id}
        ).first()
        if there is not None and asked_for is not None and there.erase_at != asked_for:
            raise NotFound(N_("The erasure was called back."))
        for one in found["backups"]:
            if one["file_name"]:
                Path(one["file_name"]).unlink(missing_ok=True)
        late = _delete_backups(session, tenant)
        session.execute(text("DELETE FROM platform.sso_identity WHERE scope = :id"), {"id": tenant.id})
    if there is not None:
        remove_tenant(engine, slug=there.slug, erase_at=asked_for)
    with Session(engine) as session, session.begin():
        # What was being written when the first look was taken; from here on none can be begun.
        return late + _delete_backups(session, tenant)


def _delete_backups(session: Session, tenant: TenantRef) -> list[str]:
    """Delete the files, the notes and the jobs of all backups that are noted now; return their manifests."""
    query = "SELECT id, state, file_name, manifest FROM platform.backup WHERE tenant_id = :id ORDER BY began_at, id"
    rows = session.execute(text(f"{query} FOR UPDATE"), {"id": tenant.id}).all()
    for row in rows:
        if row.file_name:
            Path(row.file_name).unlink(missing_ok=True)
    # A backup's job has its id, and was told the workspace's short name.
    session.execute(text("DELETE FROM platform.job WHERE id = ANY (:ids)"), {"ids": [row.id for row in rows]})
    session.execute(text("DELETE FROM platform.backup WHERE tenant_id = :id"), {"id": tenant.id})
    return [row.manifest for row in rows if row.state == "done"]


def _before(engine: Engine, slug: str) -> dict[str, Any]:
    """Measure what is there, in one snapshot."""
    with Session(engine) as session, session.begin():
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        row = session.execute(text("SELECT id, name FROM platform.tenant WHERE slug = :slug"), {"slug": slug}).first()
        if row is None:
            raise NotFound(N_("There is no workspace called %(slug)s."), slug=slug)
        members = session.scalar(text("SELECT count(*) FROM platform.membership WHERE tenant_id = :id"), {"id": row[0]})
        driver: Any = session.connection().connection.driver_connection
        chain = Chain.of(row[0])
        seals.enter(session, chain)
        tables.fix(driver, chain.schema)
        head = seals.head(session=session)
        found = tuple(tables.measured(driver, shape, lambda _rows: None) for shape in tables.shapes(driver))
        return {
            "tenant_id": str(row[0]),
            "slug": slug,
            "name": row[1],
            "members": members,
            "rows": {one.name: one.rows for one in found},
            "sums": {one.name: one.sums for one in found if one.sums},
            "digest": books_digest(found),
            "trail": {"seal": head.number, "hash": head.hash.hex(), "events": head.total},
        }


def _after(engine: Engine, tenant: TenantRef) -> dict[str, Any]:
    """Look for anything that still names the workspace."""
    with Session(engine) as session, session.begin():
        schemas = session.scalars(
            text("SELECT nspname FROM pg_namespace WHERE nspname LIKE '%' || :id || '%'"), {"id": tenant.id.hex}
        ).all()
        role = session.scalar(text("SELECT to_regrole(:name)::text"), {"name": tenant.schema})
        names = session.scalars(text(_LEFT)).all()
        left = {
            name: number
            for name in names
            if (
                number := session.scalar(
                    text(f"SELECT count(*) FROM platform.{name} WHERE tenant_id = :id"),  # noqa: S608 - a name of our own
                    {"id": tenant.id},
                )
            )
        }
    return {"schemas": list(schemas), "roles": [role] if role else [], "rows": left}


_OF_PERSON = """
    SELECT n.relname, a.attname FROM pg_constraint f JOIN pg_class n ON n.oid = f.conrelid
        JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
    WHERE f.contype = 'f' AND f.confrelid = 'platform.person'::regclass AND cardinality(f.conkey) = 1
    ORDER BY 1, 2
"""
REMAINS_OF_PERSON = (
    "their id, in books and trails, which stay balanced and sealed",
    "what others wrote about them into texts of the books",
    "backups, until their retention is over",
)
"""What the erasure of a person does not reach: the law asks to keep the books and who did what to them."""


class LastOwnerOf(Conflict):
    """Somebody must own a workspace."""

    code = "last_owner_of"
    message = N_("They are the last owner of %(slug)s: make someone else its owner first, or erase the workspace.")


def erase_person(*, engine: Engine, database: Database, actor: Actor, at: datetime, person_id: UUID) -> Certificate:
    """Take a person out of every workspace and leave nothing but their id; as the owner of the schemas.

    Raises NotFound, LastOwnerOf.
    """
    with Session(engine) as session, session.begin():
        signer = open_signer(session=session, vault=ring_of(database), at=at)
    with Session(engine) as session, session.begin():
        session.info["database"] = database
        found = identity.people(session=session, ids={person_id}).get(person_id)
        if found is None:
            raise NotFound
        left = [place for place, _role in registry.places(session=session, person_id=person_id)]
        for place in left:
            try:
                tenancy.remove_member(session=session, actor=actor, at=at, tenant_id=place.id, person_id=person_id)
            except tenancy.LastOwner:
                raise LastOwnerOf(slug=place.slug) from None
        values, address = {"person": person_id}, found.email.lower()
        deleted = {
            f"{table}.{column}": session.execute(
                text(f"DELETE FROM platform.{table} WHERE {column} = :person"),  # noqa: S608 - the server's own names
                values,
            ).rowcount
            for table, column in _places_of_people(session)
        }
        deleted["letters"] = jobs.forget_jobs(
            session=session, kind="mail.send", is_about=lambda told: str(told.get("to", "")).lower() == address
        )
        deleted["workspaces asked for"] = jobs.forget_jobs(
            session=session, kind=CREATE, is_about=lambda told: str(told.get("owner_email", "")).lower() == address
        )
        deleted["invitations"] = tenancy.forget_invitations(session=session, email=address)
        views = 0
        for schema in session.scalars(text("SELECT 't_' || replace(id::text, '-', '') FROM platform.tenant")).all():
            views += session.execute(
                text(f"DELETE FROM {schema}.saved_view WHERE person_id = :person AND NOT shared"),  # noqa: S608 - a hexadecimal id
                values,
            ).rowcount
        people.anonymise_person(session=session, actor=actor, at=at, person_id=person_id)
        after = {
            f"{table}.{column}": number
            for table, column in _places_of_people(session)
            if (
                number := session.scalar(
                    text(f"SELECT count(*) FROM platform.{table} WHERE {column} = :person"),  # noqa: S608 - the server's own names
                    values,
                )
            )
        }
    said = {
        "erased": "person",
        "at": at.isoformat(),
        "by": {"id": str(actor.person_id), "label": actor.label, "via": actor.via},
        "person_id": str(person_id),
        "left": [str(place.id) for place in left],
        "deleted": {name: number for name, number in (deleted | {"saved_view": views}).items() if number},
        "after": after,
        "remains": REMAINS_OF_PERSON,
    }
    return certify(signer, said)


def _places_of_people(session: Session) -> list[tuple[str, str]]:
    """Return every table of the platform that names a person, and the column that does."""
    return [(row[0], row[1]) for row in session.execute(text(_OF_PERSON))]
