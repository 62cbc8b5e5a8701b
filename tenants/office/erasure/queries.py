"""What an owner should know before the workspace is erased."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.backups import queries as backups
from webapp.backups.exports import exports
from webapp.backups.queries import Holdings
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import NotFound
from webapp.tenancy import queries as registry


@dataclass(frozen=True, slots=True)
class Outlook:
    """When the workspace is erased (UTC), what would be lost, and the newest that could be kept of it."""

    name: str
    erase_at: datetime | None
    holdings: Holdings
    members: int
    exported_at: datetime | None
    backed_up_at: datetime | None


def outlook(*, session: Session, at: datetime) -> Outlook:
    """Look at the bound workspace as its owner should before it goes; members are counted to 500."""
    tenant = bound_tenant(session)
    holdings = backups.holdings(session=session)
    with on_platform(session):
        here = registry.tenant_by_id(session=session, tenant_id=tenant.id)
        if here is None:
            raise NotFound
        ready = [one for one in exports(session=session, tenant_id=tenant.id, at=at) if one.state == "ready"]
        taken = backups.backups(session=session, slug=here.slug, state="done", limit=1)
        members = registry.members(session=session, tenant_id=tenant.id)
    return Outlook(
        here.name,
        here.erase_at,
        holdings,
        len(members),
        ready[0].created_at if ready else None,
        taken[0].began_at if taken else None,
    )
