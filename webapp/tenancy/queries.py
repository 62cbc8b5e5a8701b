"""Reads of the registry, on a transaction bound to the platform."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from webapp.kernel.crypto import of_platform, ring_of
from webapp.kernel.db import TenantRef
from webapp.tenancy.models import Invitation, Membership, Tenant

LIST_MAX = 500


@dataclass(frozen=True, slots=True)
class TenantView:
    """A workspace as its members see it."""

    id: UUID
    slug: str
    name: str
    base_currency: str
    is_demo: bool
    suspended_at: datetime | None
    sso_only: bool = False
    access_revision: int = 0
    """Raised by every change of roles, grants and policies."""
    stores_revision: int = 0
    """Raised by every change of a policy store that a decision of it can depend on."""
    second_factor_roles: Sequence[str] = ()
    """Roles whose members get in with a second factor only."""
    time_zone: str = "UTC"
    """In which hours and days of conditions are meant (IANA)."""
    erase_at: datetime | None = None
    """When it is erased, unless an owner calls that back."""

    @property
    def ref(self) -> TenantRef:
        """Return the key of its rows."""
        return TenantRef(self.id)


@dataclass(frozen=True, slots=True)
class Place:
    """A person's place in one workspace: their role, and the workspace's own roles that they have besides."""

    tenant: TenantView
    role: str
    own_roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member of one workspace."""

    person_id: UUID
    role: str
    created_at: datetime
    own_roles: list[str]


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An open invitation."""

    id: UUID
    email: str
    role: str
    created_at: datetime
    expires_at: datetime


_TENANT = (
    Tenant.id,
    Tenant.slug,
    Tenant.name,
    Tenant.base_currency,
    Tenant.is_demo,
    Tenant.suspended_at,
    Tenant.sso_only,
    Tenant.access_revision,
    Tenant.stores_revision,
    Tenant.second_factor_roles,
    Tenant.time_zone,
    Tenant.erase_at,
)


# Asked with every request: a ready text costs a tenth of what building the expression costs.
_MEMBERSHIP = text("""
    SELECT m.role, t.id, t.slug, t.name, t.base_currency, t.is_demo, t.suspended_at, t.sso_only, t.access_revision,
        t.stores_revision, t.second_factor_roles, t.time_zone, t.erase_at, m.own_roles
    FROM platform.tenant t JOIN platform.membership m ON m.tenant_id = t.id
    WHERE t.slug = :slug AND m.person_id = :person_id
""")


def membership(*, session: Session, slug: str, person_id: UUID) -> Place | None:
    """Return a person's place in a workspace; None for an outsider as for an unknown slug."""
    row = session.execute(_MEMBERSHIP, {"slug": slug, "person_id": person_id}).first()
    return None if row is None else place_of(row)


def place_of(row: Sequence[Any]) -> Place:
    """Read a place from its columns: the role, the workspace, the own roles."""
    return Place(TenantView(*row[1:-1]), row[0], tuple(row[-1]))


def places(*, session: Session, person_id: UUID) -> list[tuple[TenantView, str]]:
    """Return the workspaces of a person by name, with the role in each (at most 500)."""
    rows = session.execute(
        select(Membership.role, *_TENANT)
        .join(Membership, Membership.tenant_id == Tenant.id)
        .where(Membership.person_id == person_id)
        .order_by(Tenant.name, Tenant.slug)
        .limit(LIST_MAX),
    )
    return [(TenantView(*row[1:]), row[0]) for row in rows]


def workspaces(*, session: Session, person_id: UUID) -> list[TenantView]:
    """Return the workspaces of a person by name (at most 500)."""
    rows = session.execute(
        select(*_TENANT)
        .join(Membership, Membership.tenant_id == Tenant.id)
        .where(Membership.person_id == person_id)
        .order_by(Tenant.name, Tenant.slug)
        .limit(LIST_MAX),
    )
    return [TenantView(*row) for row in rows]


def tenants(*, session: Session, after_slug: str = "", limit: int = LIST_MAX) -> list[TenantView]:
    """Return the installation's workspaces by slug, for operators."""
    rows = session.execute(select(*_TENANT).where(Tenant.slug > after_slug).order_by(Tenant.slug).limit(limit))
    return [TenantView(*row) for row in rows]


def tenant_by_slug(*, session: Session, slug: str) -> TenantView | None:
    """Return one workspace, for the command line and jobs."""
    row = session.execute(select(*_TENANT).where(Tenant.slug == slug)).first()
    return None if row is None else TenantView(*row)


def origins(*, session: Session, tenant_id: UUID) -> list[str]:
    """Return the origins whose pages may call a workspace's API from a browser."""
    return list(session.scalar(select(Tenant.origins).where(Tenant.id == tenant_id)) or ())


def origins_of(*, session: Session, slug: str) -> list[str]:
    """Return the same by the workspace's short name; none of a workspace that is nowhere."""
    return list(session.scalar(select(Tenant.origins).where(Tenant.slug == slug)) or ())


def tenant_by_id(*, session: Session, tenant_id: UUID) -> TenantView | None:
    """Return one workspace by id."""
    row = session.execute(select(*_TENANT).where(Tenant.id == tenant_id)).first()
    return None if row is None else TenantView(*row)


def tenant_name(*, session: Session, tenant_id: UUID) -> str:
    """Return what a workspace is called, for letters; an empty text for one that is gone."""
    return session.scalar(select(Tenant.name).where(Tenant.id == tenant_id)) or ""


def members(*, session: Session, tenant_id: UUID) -> list[MemberView]:
    """Return the members of a workspace, longest first (at most 500)."""
    rows = session.execute(
        select(Membership.person_id, Membership.role, Membership.created_at, Membership.own_roles)
        .where(Membership.tenant_id == tenant_id)
        .order_by(Membership.created_at, Membership.person_id)
        .limit(LIST_MAX),
    )
    return [MemberView(*row) for row in rows]


_INVITATION = (
    Invitation.id,
    Invitation.email_sealed,
    Invitation.role,
    Invitation.created_at,
    Invitation.expires_at,
)


def context_of_invitation(invitation_id: UUID) -> str:
    """Return the context under which the address of an invitation is sealed."""
    return f"{of_platform('invitation.email')}/{invitation_id}"


def read_invitation(session: Session, row: Sequence[Any]) -> InvitationView:
    """Open the address of an invitation that was read."""
    email = ring_of(session).open(bytes(row[1]), context=context_of_invitation(row[0])).decode()
    return InvitationView(row[0], email, *row[2:])


def invitations_after(invitation_id: UUID) -> Select[Any]:
    """Return the query of the next invitations of all workspaces by their ids (at most 500)."""
    return select(*_INVITATION).where(Invitation.id > invitation_id).order_by(Invitation.id).limit(LIST_MAX)


def open_invitations(*, session: Session, tenant_id: UUID, at: datetime) -> list[InvitationView]:
    """Return a workspace's open invitations, newest first (at most 500)."""
    rows = session.execute(
        select(*_INVITATION)
        .where(
            Invitation.tenant_id == tenant_id,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > at,
        )
        .order_by(Invitation.created_at.desc())
        .limit(LIST_MAX),
    )
    return [read_invitation(session, row) for row in rows]


def invited(*, session: Session, ids: Collection[UUID], tenant_id: UUID | None) -> dict[str, str]:
    """Return the addresses of invitations, open or over, by id (at most 500); of one workspace if named."""
    query = select(*_INVITATION).where(Invitation.id.in_(list(ids)[:LIST_MAX]))
    if tenant_id is not None:
        query = query.where(Invitation.tenant_id == tenant_id)
    rows = session.execute(query) if ids else ()
    return {str(row[0]): read_invitation(session, row).email for row in rows}


def invitation_by_secret(
    *,
    session: Session,
    secret_hash: bytes,
    at: datetime,
) -> tuple[InvitationView, TenantView] | None:
    """Return an open invitation and its workspace by the hash of the link's secret."""
    row = session.execute(
        select(*_INVITATION, *_TENANT)
        .join(Tenant, Tenant.id == Invitation.tenant_id)
        .where(
            Invitation.secret_hash == secret_hash,
            Invitation.accepted_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > at,
        ),
    ).first()
    return None if row is None else (read_invitation(session, row[:5]), TenantView(*row[5:]))


def owners(*, session: Session, tenant_id: UUID) -> list[UUID]:
    """Return who owns a workspace, longest first (at most 500)."""
    query = select(Membership.person_id).where(Membership.tenant_id == tenant_id, Membership.role == "owner")
    return list(session.scalars(query.order_by(Membership.created_at, Membership.person_id).limit(LIST_MAX)))


def to_erase(*, session: Session, at: datetime) -> list[tuple[TenantView, UUID]]:
    """Return the workspaces whose days of grace are over, with who asked for it (at most 500)."""
    query = select(Tenant.erase_asked_by, *_TENANT).where(Tenant.erase_at <= at).order_by(Tenant.erase_at)
    return [(TenantView(*row[1:]), row[0]) for row in session.execute(query.limit(LIST_MAX))]


def owners_count(*, session: Session, tenant_id: UUID) -> int:
    """Return how many owners a workspace has."""
    query = select(func.count()).where(Membership.tenant_id == tenant_id, Membership.role == "owner")
    return session.scalar(query) or 0
