"""The work behind backups: one job for each workspace and night, with its progress."""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from webapp.backups import commands, erasures, exports, shelf
from webapp.backups.content import write_export
from webapp.backups.erasing import Found, erase_workspace
from webapp.jobs.context import Handler, JobContext, TryLater
from webapp.kernel.db import TenantRef, owner_engine
from webapp.kernel.errors import NotFound
from webapp.tenancy import queries as registry

BEAT_SECONDS = 1.0
AHEAD = timedelta(minutes=1)
"""A clock that closed a workspace so long before its time was wrong; two machines differ by less."""


def told(context: JobContext) -> Callable[[int, int], None]:
    """Return what says how far a job is, once a second at most."""
    last = float("-inf")

    def beat(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT_SECONDS:
            last = time.monotonic()
            context.beat(done=done, total=total)

    return beat


def take(context: JobContext) -> None:
    """Take a backup and let go of those whose time is over; a workspace that is gone meanwhile needs none."""
    asked, settings = context.arguments, context.settings
    engine = owner_engine(settings.database_url, pool_size=1)
    try:
        shelf.take_down(
            settings=settings,
            engine=engine,
            database=context.database,
            actor=context.actor,
            clock=context.clock,
            backup_id=UUID(asked["backup"]),
            tenant_id=UUID(asked["tenant_id"]),
            slug=asked["slug"],
            kind=asked["kind"],
            beat=told(context),
        )
    except NotFound:
        return
    finally:
        engine.dispose()
    at = context.clock()
    shelf.sweep(database=context.database, before=at - timedelta(days=settings.backup_keep_days), at=at)


PIECE_BYTES = 1024 * 1024


class _Pieces:
    """Takes the bytes of an archive and keeps them, sealed, a megabyte at a time."""

    def __init__(self, context: JobContext, tenant_id: UUID, export_id: UUID) -> None:
        self._context, self._tenant_id, self._export_id = context, tenant_id, export_id
        self._waiting = bytearray()
        self._position = 0
        self.size, self.digest = 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._waiting += data
        self.size += len(data)
        self.digest.update(data)
        while len(self._waiting) >= PIECE_BYTES:
            self._keep(bytes(self._waiting[:PIECE_BYTES]))
            del self._waiting[:PIECE_BYTES]
        return len(data)

    def flush(self) -> None:
        """Wait for a whole piece, or for the end."""

    def end(self) -> None:
        if self._waiting:
            self._keep(bytes(self._waiting))

    def _keep(self, content: bytes) -> None:
        with self._context.database.platform() as session:
            exports.keep_piece(
                session=session,
                tenant_id=self._tenant_id,
                export_id=self._export_id,
                position=self._position,
                content=content,
            )
        self._position += 1


def make_export(context: JobContext) -> None:
    """Write a workspace's own export; a second run begins anew."""
    export_id, tenant_id = UUID(context.arguments["export"]), context.claim.tenant_id
    if tenant_id is None:
        return
    with context.database.platform() as session:
        if not exports.begin(session=session, export_id=export_id):
            return
    engine = owner_engine(context.settings.database_url, pool_size=1)
    sink = _Pieces(context, tenant_id, export_id)
    try:
        write_export(
            engine=engine,
            database=context.database,
            tenant=TenantRef(tenant_id),
            at=context.clock(),
            sink=sink,
            with_xml=bool(context.arguments["xml"]),
            beat=lambda done, total: context.beat(done=done, total=total),
        )
        sink.end()
    except Exception:
        with context.database.platform() as session:
            exports.fail(session=session, export_id=export_id)
        raise
    finally:
        engine.dispose()
    with context.database.platform() as session:
        exports.finish(session=session, export_id=export_id, size_bytes=sink.size, sha256=sink.digest.hexdigest())


def erase(context: JobContext) -> None:
    """Erase a workspace whose days of grace are over; a second run ends what the first began."""
    erasure_id, tenant_id = context.claim.id, UUID(context.arguments["tenant_id"])
    at = context.clock()
    with context.database.platform() as session:
        tenant = registry.tenant_by_id(session=session, tenant_id=tenant_id)
        owners = registry.owners(session=session, tenant_id=tenant_id)
        found = erasures.found_before(session=session, erasure_id=erasure_id)
        if tenant is not None and erasures.id_of(tenant) != erasure_id:
            # Called back, or asked for anew: also when it was begun and cut off.
            erasures.leave(session=session, erasure_id=erasure_id)
            return
    if tenant is None and found is None:
        return
    erase_at = tenant.erase_at if tenant else None
    if tenant is not None and erase_at is not None and erase_at > at + AHEAD:
        with context.begin() as session:
            erasures.reopen(
                session=session, tenant_id=tenant_id, erasure_id=erasure_id, asked_by=context.claim.created_by, at=at
            )
        return
    if erase_at is not None and erase_at > at:
        raise TryLater("the clock of the machine that queued this is ahead of this one's", erase_at - at)

    def keep(now_found: Found) -> None:
        with context.database.platform() as session:
            erasures.begin(session=session, at=at, erasure_id=erasure_id, owners=owners, found=now_found)

    engine = owner_engine(context.settings.database_url, pool_size=1)
    try:
        certificate = erase_workspace(
            engine=engine,
            database=context.database,
            actor=context.actor,
            at=at,
            slug=tenant.slug if tenant else "",
            found=found,
            keep=keep,
            asked_for=erase_at,
        )
    finally:
        engine.dispose()
    with context.begin() as session:
        erasures.finish(
            session=session,
            actor=context.actor,
            at=at,
            erasure_id=erasure_id,
            name=context.arguments["name"],
            certificate=certificate.written(),
        )


HANDLERS: dict[str, Handler] = {commands.TAKE: take, erasures.ERASE: erase, exports.MAKE: make_export}
