"""Write what a workspace shaped for itself, on a transaction bound to the platform; the rooms above record it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.access.models import AccessGrant, AccessRole
from webapp.access.permissions import Permission
from webapp.access.queries import GRANTS_MAX, ROLES_MAX
from webapp.kernel.errors import N_, Conflict


class TooManyShapes(Conflict):
    """The workspace has as many own roles, or grants, as one may have."""

    code = "too_many_shapes"
    message = N_("There are already %(most)s of them. Remove some first.")


@dataclass(frozen=True, slots=True)
class Shape:
    """What was chosen: permissions, the conditions as they were typed, and the policy made of both."""

    permissions: tuple[Permission, ...]
    conditions: dict[str, Any]
    policy: str


def write_role(*, session: Session, at: datetime, tenant_id: UUID, name: str, title: str, shape: Shape) -> None:
    """Make or change a workspace's own role; raises TooManyShapes."""
    values = {
        "title": title,
        "permissions": [one.value for one in shape.permissions],
        "conditions": shape.conditions,
        "policy": shape.policy,
        "changed_at": at,
    }
    query = upsert(AccessRole).values(tenant_id=tenant_id, name=name, created_at=at, **values)
    session.execute(query.on_conflict_do_update(index_elements=["tenant_id", "name"], set_=values))
    count = session.scalar(select(func.count()).where(AccessRole.tenant_id == tenant_id)) or 0
    if count > ROLES_MAX:
        raise TooManyShapes(most=ROLES_MAX)


def drop_role(*, session: Session, tenant_id: UUID, name: str) -> None:
    """Remove a workspace's own role."""
    session.execute(delete(AccessRole).where(AccessRole.tenant_id == tenant_id, AccessRole.name == name))


def write_grant(
    *,
    session: Session,
    at: datetime,
    tenant_id: UUID,
    grant_id: UUID,
    person_id: UUID,
    granted_by: UUID,
    note: str,
    expires_at: datetime,
    shape: Shape,
) -> None:
    """Keep a grant; raises TooManyShapes."""
    session.execute(
        insert(AccessGrant).values(
            id=grant_id,
            tenant_id=tenant_id,
            person_id=person_id,
            permissions=[one.value for one in shape.permissions],
            conditions=shape.conditions,
            policy=shape.policy,
            note=note,
            created_at=at,
            created_by=granted_by,
            expires_at=expires_at,
        )
    )
    live = (AccessGrant.tenant_id == tenant_id, AccessGrant.revoked_at.is_(None), AccessGrant.expires_at > at)
    if (session.scalar(select(func.count()).where(*live)) or 0) > GRANTS_MAX:
        raise TooManyShapes(most=GRANTS_MAX)


def end_grant(*, session: Session, at: datetime, tenant_id: UUID, grant_id: UUID) -> bool:
    """End a grant before its time; tell whether there was one."""
    query = (
        update(AccessGrant)
        .where(AccessGrant.id == grant_id, AccessGrant.tenant_id == tenant_id, AccessGrant.revoked_at.is_(None))
        .values(revoked_at=at)
        .returning(AccessGrant.id)
    )
    return session.execute(query).first() is not None
