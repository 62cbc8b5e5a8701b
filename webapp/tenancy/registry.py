"""Ask for the making and the removal of a workspace: jobs of the platform, with the owner's rights."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor
from webapp.tenancy import commands, queries
from webapp.tenancy.provisioning import SlugTaken
from webapp.tenancy.queries import TenantView

CREATE = "tenancy.create"
REMOVE = "tenancy.remove"


def ask_to_create(
    *, session: Session, actor: Actor, at: datetime, job_id: UUID, tenant_id: UUID, asked: dict[str, Any]
) -> UUID:
    """Queue the making of a workspace; `asked` is what the job is told (slug, name, base_currency, owner_email …).

    Raises SlugTaken.
    """
    if queries.tenant_by_slug(session=session, slug=asked["slug"]) is not None:
        raise SlugTaken(slug=asked["slug"])
    record(
        session=session,
        actor=actor,
        at=at,
        action="tenant.asked_for",
        object_type="tenant",
        object_id=tenant_id,
        difference={name: (None, asked[name]) for name in ("slug", "name", "base_currency")},
    )
    return enqueue(
        session=session,
        actor=actor,
        at=at,
        job_id=job_id,
        kind=CREATE,
        arguments={**asked, "tenant_id": str(tenant_id)},
    )


def ask_to_remove(*, session: Session, actor: Actor, at: datetime, job_id: UUID, tenant: TenantView) -> None:
    """Close a workspace at once and queue its removal; until then the operator can resume it."""
    commands.set_suspended(session=session, actor=actor, at=at, slug=tenant.slug, suspended=True)
    enqueue(
        session=session,
        actor=actor,
        at=at,
        job_id=job_id,
        kind=REMOVE,
        arguments={"tenant_id": str(tenant.id), "slug": tenant.slug},
    )
