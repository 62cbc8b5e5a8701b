"""A workspace's own policies, on a transaction bound to the platform; each process keeps the newest rulebooks."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from webapp.access.guard import product_rulebook
from webapp.access.models import AccessGrant, AccessRole
from webapp.access.product import with_own
from webapp.access.reading import PoliciesRefused
from webapp.access.rulebook import Rulebook

RULEBOOKS_MAX = 256
ROLES_MAX = 50
GRANTS_MAX = 500
Parts = tuple[tuple[str, str], ...]
"""Policies as name and text."""

Source = Callable[[Session, UUID], Parts]
SOURCES: list[Source] = []
"""Further places where a workspace keeps policies for itself; the composition root adds them."""

UNREADABLE = ("unreadable-policies", "forbid (principal, action, resource);")
"""What decides when a workspace's own policies cannot be read: nothing is permitted to anybody but owners."""

log = structlog.get_logger()

_kept: OrderedDict[UUID, tuple[int, Rulebook]] = OrderedDict()
_lock = threading.Lock()


def rulebook_of(*, session: Session, tenant_id: UUID, revision: int) -> Rulebook:
    """Return a workspace's rulebook of this revision; revision 0 has no policies of its own."""
    if revision == 0:
        return product_rulebook()
    with _lock:
        kept = _kept.get(tenant_id)
    if kept is not None and kept[0] == revision:
        return kept[1]
    own = own_policies(session=session, tenant_id=tenant_id)
    made = _made(own, tenant_id) if own else product_rulebook()
    with _lock:
        while len(_kept) >= RULEBOOKS_MAX:
            _kept.popitem(last=False)
        _kept[tenant_id] = (revision, made)
    return made


def _made(own: Parts, tenant_id: UUID) -> Rulebook:
    try:
        compiled = with_own(own)
    except PoliciesRefused as refused:
        # They were accepted once, by an older release. Nobody but owners may then anything until they are mended.
        log.warning("access.policies_unreadable", tenant=str(tenant_id), findings=len(refused.findings))
        compiled = with_own((UNREADABLE,))
    return Rulebook(compiled, is_own=True, for_owners=product_rulebook())


@dataclass(frozen=True, slots=True)
class OwnRole:
    """A workspace's own role."""

    name: str
    title: str
    permissions: list[str]
    conditions: dict[str, Any]
    policy: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class GrantView:
    """What one member may besides their roles, until a moment."""

    id: UUID
    person_id: UUID
    permissions: list[str]
    conditions: dict[str, Any]
    policy: str
    note: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None

    @property
    def account_id(self) -> int | None:
        """Return the account to which it is limited."""
        return int(self.conditions["account"]) if "account" in self.conditions else None

    @property
    def amount(self) -> str:
        """Return up to which amount it permits to book, as it was typed, with its currency; else nothing."""
        return f"{self.conditions['amount']} {self.conditions['currency']}" if "amount" in self.conditions else ""

    def state(self, at: datetime) -> str:
        """Return active, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        return "active" if self.expires_at > at else "expired"


def own_roles(*, session: Session, tenant_id: UUID) -> list[OwnRole]:
    """Return a workspace's own roles by name (at most 50)."""
    columns = (
        AccessRole.name,
        AccessRole.title,
        AccessRole.permissions,
        AccessRole.conditions,
        AccessRole.policy,
        AccessRole.changed_at,
    )
    query = select(*columns).where(AccessRole.tenant_id == tenant_id).order_by(AccessRole.name).limit(ROLES_MAX)
    return [OwnRole(*row) for row in session.execute(query)]


_GRANT = tuple(getattr(AccessGrant, name) for name in GrantView.__dataclass_fields__)


def grants(
    *, session: Session, tenant_id: UUID, limit: int, before: tuple[datetime, UUID] | None = None
) -> list[GrantView]:
    """Return at most `limit` grants of a workspace, newest first, older than `before`; those that are over as well."""
    query = select(*_GRANT).where(AccessGrant.tenant_id == tenant_id)
    if before is not None:
        query = query.where(tuple_(AccessGrant.created_at, AccessGrant.id) < before)
    rows = session.execute(query.order_by(AccessGrant.created_at.desc(), AccessGrant.id.desc()).limit(limit))
    return [GrantView(*row) for row in rows]


def live_grants(*, session: Session, tenant_id: UUID, at: datetime) -> list[GrantView]:
    """Return the grants that hold now, newest first (at most 500, as there are no more)."""
    live = (AccessGrant.tenant_id == tenant_id, AccessGrant.revoked_at.is_(None), AccessGrant.expires_at > at)
    query = select(*_GRANT).where(*live).order_by(AccessGrant.created_at.desc(), AccessGrant.id.desc())
    return [GrantView(*row) for row in session.execute(query.limit(GRANTS_MAX))]


def grant(*, session: Session, tenant_id: UUID, grant_id: UUID) -> GrantView | None:
    """Return one grant of a workspace."""
    row = session.execute(select(*_GRANT).where(AccessGrant.tenant_id == tenant_id, AccessGrant.id == grant_id)).first()
    return None if row is None else GrantView(*row)


def own_policies(*, session: Session, tenant_id: UUID, without: Source | None = None) -> Parts:
    """Return the text of a workspace's own roles and of its grants, over or not, and what other sources it keeps."""
    roles = session.execute(
        select(AccessRole.name, AccessRole.policy)
        .where(AccessRole.tenant_id == tenant_id)
        .order_by(AccessRole.name)
        .limit(ROLES_MAX)
    )
    grants = session.execute(
        select(AccessGrant.id, AccessGrant.policy)
        .where(AccessGrant.tenant_id == tenant_id, AccessGrant.revoked_at.is_(None))
        .order_by(AccessGrant.expires_at.desc())  # Of too many, those that are over decide nothing any more.
        .limit(GRANTS_MAX)
    )
    found = [(f"own:{name}", policy) for name, policy in roles] + [(f"grant:{one}", policy) for one, policy in grants]
    for source in SOURCES:
        found += source(session, tenant_id) if source is not without else ()
    return tuple(found)
