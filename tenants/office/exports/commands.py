"""Acts on the exports of the bound workspace."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.backups import exports as kept
from webapp.backups.exports import ExportView
from webapp.identity.notices import tell
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform


def exports(*, session: Session, at: datetime) -> list[ExportView]:
    """Return the exports that are kept, newest first."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return kept.exports(session=session, tenant_id=tenant.id, at=at)


def export(*, session: Session, at: datetime, export_id: UUID) -> ExportView:
    """Return one; raises NotFound."""
    tenant = bound_tenant(session)
    with on_platform(session):
        return kept.one_export(session=session, tenant_id=tenant.id, export_id=export_id, at=at)


def give(*, session: Session, actor: Actor, at: datetime, export_id: UUID, workspace: str, what: str) -> ExportView:
    """Let somebody take an export along: it is an event, and they are told by mail.

    Raises NotFound, NotReady.
    """
    found = kept.give(session=session, actor=actor, at=at, export_id=export_id)
    params = {"workspace": workspace, "what": what}
    tell(session=session, person_id=actor.person_id, kind="export_made", params=params, at=at, actor=actor)
    return found
