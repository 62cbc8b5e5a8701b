"""Take a backup of one workspace: one snapshot, read only, streamed into a closed and signed file."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from webapp.audit import seals
from webapp.audit.seals import Chain
from webapp.audit.signing import Signer, open_signer
from webapp.backups import tables
from webapp.backups.archive import Part, packed
from webapp.backups.envelope import close_to
from webapp.backups.rules import (
    FORMAT,
    Manifest,
    Table,
    Trail,
    books_digest,
    signed_message,
)
from webapp.identity import queries as identity
from webapp.kernel.crypto import ring_of
from webapp.kernel.data_keys import Wrapped
from webapp.kernel.db import Database, TenantRef
from webapp.kernel.errors import N_, NotFound
from webapp.tenancy import queries as tenancy

Beat = Callable[[int, int], None]
"""Told how many rows are done, and how many there are."""
PEOPLE_AT_ONCE = 500
_BELONGS = {
    "membership": "",
    "access_role": "",
    "access_grant": "",
    "service_account": "",
    "token": " - 'secret_hash' - 'former_hash'",
    "oauth_client": " - 'secret_hash'",
}
"""Rows of the platform that belong to a workspace, and what of them is not told: a secret, even hashed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A backup that was written."""

    manifest: Manifest
    path: Path
    size_bytes: int
    seconds: float


def _no_beat(_done: int, _total: int) -> None:
    """Tell nobody."""


def take(
    *,
    engine: Engine,
    database: Database,
    tenant_id: UUID,
    at: datetime,
    path: Path,
    recipients: list[str],
    for_move: bool = False,
    beat: Beat = _no_beat,
) -> Taken:
    """Write a backup of a workspace as the owner of the schemas; others read and write meanwhile.

    With `for_move` its data keys lie open within the closed file, so that another installation can read its fields.
    Raises NotFound, NoRecipient, BadKey, OSError.
    """
    began = time.monotonic()
    with Session(engine) as session, session.begin():
        signer = open_signer(session=session, vault=ring_of(database), at=at)
    with Session(engine) as session, session.begin():
        session.info["database"] = database
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        bundle = _Bundle(session, TenantRef(tenant_id), at, signer, for_move=for_move, beat=beat)
        size = close_to(path, packed(bundle.parts()), recipients=recipients)
    return Taken(bundle.manifest(), path, size, time.monotonic() - began)


class _Bundle:
    """The parts of one backup, made one after the other."""

    def __init__(
        self, session: Session, tenant: TenantRef, at: datetime, signer: Signer, *, for_move: bool, beat: Beat
    ) -> None:
        found = session.execute(
            text("SELECT slug, name, to_jsonb(t) FROM platform.tenant t WHERE id = :id"), {"id": tenant.id}
        ).first()
        if found is None:
            raise NotFound(N_("There is no such workspace."))
        self._session, self._tenant, self._at, self._signer = session, tenant, at, signer
        self._for_move, self._beat = for_move, beat
        self._slug, self._name, self._settings = found
        self._digests: dict[str, str] = {}
        self._tables: list[Table] = []
        self._trail = Trail(0, "", 0)
        self._revision = ""

    def parts(self) -> Iterator[Part]:
        """Yield every part, the manifest and its signature last."""
        driver: Any = self._session.connection().connection.driver_connection
        seals.enter(self._session, Chain.of(self._tenant.id))
        tables.fix(driver, self._tenant.schema)
        # The mark tells the revision of the schema as it is in this snapshot.
        self._revision = self._session.scalar(text("SELECT revision FROM _tenant_marker")) or ""
        self._trail = self._read_trail()
        head = {"format": FORMAT, "product": version("comptoir"), "revision": self._revision}
        yield from self._part("head.json", head)
        yield from self._part("keys.json", list(self._keys()))
        yield from self._part("platform.json", self._platform())
        shapes = tables.shapes(driver)
        total, done = sum(tables.count(driver, shape) for shape in shapes), 0
        for shape in shapes:
            measure = tables.Measure(shape)
            for number, piece in enumerate(tables.written(driver, shape, measure)):
                yield f"tables/{shape.name}/{number:06d}", piece
                self._beat(done + measure.rows, total)
            self._tables.append(measure.table(driver))
            done += measure.rows
        said = self.manifest().written()
        yield "manifest.json", said
        signature = self._signer.sign(signed_message(said)).hex()
        yield "manifest.sig", f"{self._signer.key_id} {signature}\n".encode()

    def manifest(self) -> Manifest:
        """Return what the backup says of itself, once its tables were read."""
        return Manifest(
            format=FORMAT,
            product=version("comptoir"),
            revision=self._revision,
            tenant_id=str(self._tenant.id),
            slug=self._slug,
            name=self._name,
            taken_at=self._at.isoformat(),
            for_move=self._for_move,
            tables=tuple(self._tables),
            files=(),
            parts=dict(self._digests),
            trail=self._trail,
            digest=books_digest(tuple(self._tables)),
        )

    def _part(self, name: str, said: Any) -> Iterator[Part]:
        content = json.dumps(said, sort_keys=True, default=str).encode()
        self._digests[name] = sha256(content).hexdigest()
        yield name, content

    def _read_trail(self) -> Trail:
        head = seals.head(session=self._session)
        keys = self._session.scalars(text("SELECT DISTINCT key_id FROM audit_checkpoint ORDER BY key_id LIMIT 100"))
        return Trail(head.number, head.hash.hex(), head.total, tuple(keys))

    def _keys(self) -> Iterator[dict[str, Any]]:
        """Yield the workspace's live data keys: wrapped as they lie, or open in a backup that moves."""
        ring = ring_of(self._session)
        rows = self._session.execute(
            text(
                "SELECT id, tenant_id, purpose, master_id, wrapped FROM platform.data_key"
                " WHERE tenant_id = :id AND retired_at IS NULL ORDER BY id"
            ),
            {"id": self._tenant.id},
        )
        for row in rows:
            one = Wrapped(row[0], row[1], row[2], row[3], bytes(row[4]))
            said: dict[str, Any] = {"id": one.id, "purpose": one.purpose}
            if self._for_move:
                said["key"] = ring.unwrap(one).hex()
            else:
                said |= {"master_id": one.master_id, "wrapped": one.wrapped.hex()}
            yield said

    def _platform(self) -> dict[str, Any]:
        """Return the rows of the platform that belong to the workspace, with the public identity of its people."""
        session, tenant_id = self._session, self._tenant.id
        session.info["tenant"] = None
        said: dict[str, Any] = {"tenant": self._settings}
        for table, without in _BELONGS.items():
            query = f"SELECT to_jsonb(t){without} FROM platform.{table} t WHERE tenant_id = :id ORDER BY 1 LIMIT 100000"  # noqa: S608 - names of our own
            said[table] = list(session.scalars(text(query), {"id": tenant_id}))
        ids = [UUID(one["person_id"]) for one in said["membership"]]
        people = [
            one
            for start in range(0, len(ids), PEOPLE_AT_ONCE)
            for one in identity.people(session=session, ids=set(ids[start : start + PEOPLE_AT_ONCE])).values()
        ]
        said["people"] = [
            {"id": one.id, "email": one.email, "name": one.name, "language": one.language}
            for one in sorted(people, key=lambda one: one.id)
        ]
        said["invitation"] = [
            {"email": one.email, "role": one.role, "created_at": one.created_at, "expires_at": one.expires_at}
            for one in tenancy.open_invitations(session=session, tenant_id=tenant_id, at=self._at)
        ]
        return said
