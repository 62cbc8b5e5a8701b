"""Say which roles of the workspace need a second factor: in the registry and in the workspace's trail."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.access.permissions import Role
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.db import bound_tenant, on_platform
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.tenancy import commands as tenancy


def require_for(
    *, session: Session, actor: Actor, at: datetime, before: Collection[str], roles: Collection[str]
) -> None:
    """Let members of these roles in only with a second factor, from their next page on.

    Raises Invalid (roles).
    """
    if set(roles) - {role.value for role in Role}:
        raise Invalid(errors=(FieldError("roles", "choice", N_("Choose one of the offered values.")),))
    tenant = bound_tenant(session)
    with on_platform(session):
        tenancy.require_second_factor(session=session, actor=actor, at=at, tenant_id=tenant.id, roles=roles)
    record(
        session=session,
        actor=actor,
        at=at,
        action="second_factor.required",
        object_type="second_factor",
        object_id="roles",
        difference={"roles": (sorted(before), sorted(set(roles)))},
    )
