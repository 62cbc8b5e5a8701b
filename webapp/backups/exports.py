"""A workspace's own export: asked for, made by a job, sealed piece by piece, given for seven days, then gone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.backups.models import ExportPiece, WorkspaceExport
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor
from webapp.kernel.crypto import ring_of
from webapp.kernel.db import Database, bound_tenant, on_platform
from webapp.kernel.errors import N_, Conflict, NotFound

MAKE = "backups.export"
LIFE = timedelta(days=7)
LIVE_MAX = 5
"""So many exports of a workspace are kept at once."""
LIST_MAX = 100


class ExportsFull(Conflict):
    """The workspace has as many exports as it may, or one is being made."""

    code = "exports_full"
    message = N_("An export is being made, or %(limit)s are kept already: wait for it, or until the oldest is deleted.")


class NotReady(Conflict):
    """The export is still being made."""

    code = "export_not_ready"
    message = N_("The export is still being made: try again when its job is done.")


@dataclass(frozen=True, slots=True)
class ExportView:
    """One export; `state` is making, ready or failed."""

    id: UUID
    with_xml: bool
    state: str
    created_at: datetime
    created_by: UUID
    expires_at: datetime
    size_bytes: int | None
    sha256: str | None


_ALL = tuple(getattr(WorkspaceExport, name) for name in ExportView.__dataclass_fields__)


def _context(tenant_id: UUID, export_id: UUID, position: int) -> str:
    return f"export_piece.content/tenant/{tenant_id}/{export_id}/{position}"


def ask(*, session: Session, actor: Actor, at: datetime, export_id: UUID, with_xml: bool) -> ExportView:
    """Queue an export of the bound workspace; its job has the same id.

    Raises ExportsFull.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"export {tenant.id}"), 0)))
        there = [one for one in exports(session=session, tenant_id=tenant.id, at=at) if one.state != "failed"]
        if len(there) >= LIVE_MAX or any(one.state == "making" for one in there):
            raise ExportsFull(limit=LIVE_MAX)
        session.execute(
            insert(WorkspaceExport).values(
                id=export_id,
                tenant_id=tenant.id,
                with_xml=with_xml,
                state="making",
                created_at=at,
                created_by=actor.person_id,
                expires_at=at + LIFE,
            )
        )
    arguments = {"export": str(export_id), "xml": with_xml}
    enqueue(session=session, actor=actor, at=at, job_id=export_id, kind=MAKE, arguments=arguments)
    record(
        session=session,
        actor=actor,
        at=at,
        action="workspace.export_asked_for",
        object_type="export",
        object_id=export_id,
        difference={"xml": (None, with_xml)},
    )
    with on_platform(session):
        return one_export(session=session, tenant_id=tenant.id, export_id=export_id, at=at)


def exports(*, session: Session, tenant_id: UUID, at: datetime) -> list[ExportView]:
    """Return a workspace's exports that are not over, newest first (at most 100); on the platform's tables."""
    query = select(*_ALL).where(WorkspaceExport.tenant_id == tenant_id, WorkspaceExport.expires_at > at)
    query = query.order_by(WorkspaceExport.created_at.desc(), WorkspaceExport.id.desc()).limit(LIST_MAX)
    return [ExportView(*row) for row in session.execute(query)]


def one_export(*, session: Session, tenant_id: UUID, export_id: UUID, at: datetime) -> ExportView:
    """Return one export of a workspace; on the platform's tables.

    Raises NotFound.
    """
    found = [one for one in exports(session=session, tenant_id=tenant_id, at=at) if one.id == export_id]
    if not found:
        raise NotFound
    return found[0]


def give(*, session: Session, actor: Actor, at: datetime, export_id: UUID) -> ExportView:
    """Let somebody take an export of the bound workspace along, which is an event.

    Raises NotFound, NotReady.
    """
    tenant = bound_tenant(session)
    with on_platform(session):
        found = one_export(session=session, tenant_id=tenant.id, export_id=export_id, at=at)
    if found.state != "ready":
        raise NotReady
    record(
        session=session,
        actor=actor,
        at=at,
        action="workspace.export_downloaded",
        object_type="export",
        object_id=export_id,
    )
    return found


def begin(*, session: Session, export_id: UUID) -> bool:
    """Begin an export anew, without what a run that died has kept; tell whether it is still wanted."""
    session.execute(delete(ExportPiece).where(ExportPiece.export_id == export_id))
    changed = session.execute(
        update(WorkspaceExport)
        .where(WorkspaceExport.id == export_id)
        .values(state="making", size_bytes=None, sha256=None)
        .returning(WorkspaceExport.id)
    )
    return changed.first() is not None


def keep_piece(*, session: Session, tenant_id: UUID, export_id: UUID, position: int, content: bytes) -> None:
    """Seal and keep one piece of an export."""
    sealed = ring_of(session).seal(content, context=_context(tenant_id, export_id, position))
    values = {"export_id": export_id, "position": position, "tenant_id": tenant_id, "content_sealed": sealed}
    session.execute(insert(ExportPiece).values(values))


def finish(*, session: Session, export_id: UUID, size_bytes: int, sha256: str) -> None:
    """Note that an export can be taken."""
    session.execute(
        update(WorkspaceExport)
        .where(WorkspaceExport.id == export_id)
        .values(state="ready", size_bytes=size_bytes, sha256=sha256)
    )


def fail(*, session: Session, export_id: UUID) -> None:
    """Note that an export could not be made; its job says why."""
    session.execute(update(WorkspaceExport).where(WorkspaceExport.id == export_id).values(state="failed"))


def pieces(*, database: Database, tenant_id: UUID, export_id: UUID) -> Iterator[bytes]:
    """Yield an export piece by piece, each read in a transaction of its own: no slow reader holds one open."""
    position = 0
    while True:
        with database.platform() as session:
            sealed = session.scalar(
                select(ExportPiece.content_sealed).where(
                    ExportPiece.export_id == export_id,
                    ExportPiece.position == position,
                    ExportPiece.tenant_id == tenant_id,
                )
            )
        if sealed is None:
            return
        yield ring_of(database).open(bytes(sealed), context=_context(tenant_id, export_id, position))
        position += 1


def forget(*, session: Session, at: datetime) -> int:
    """Delete exports whose time is over, with all that was kept of them (at most 100 a call)."""
    over = select(WorkspaceExport.id).where(WorkspaceExport.expires_at <= at).limit(LIST_MAX)
    return len(session.execute(delete(WorkspaceExport).where(WorkspaceExport.id.in_(over)).returning(1)).all())
