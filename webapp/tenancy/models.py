"""Tables of the registry: tenants, memberships, invitations."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase
from webapp.kernel.sealed import sealed

Instant = DateTime(timezone=True)


class Tenant(PlatformBase):
    """One organisation with a schema and a role of its own."""

    __tablename__ = "tenant"
    __table_args__ = (
        Index("tenant_revision", "schema_revision"),
        Index("tenant_erasure", "erase_at", postgresql_where=text("erase_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    schema_revision: Mapped[str] = mapped_column(Text)
    base_currency: Mapped[str] = mapped_column(Text)
    time_zone: Mapped[str] = mapped_column(Text, server_default="UTC")
    is_demo: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(Instant)
    suspended_at: Mapped[datetime | None] = mapped_column(Instant)
    sso_only: Mapped[bool]
    access_revision: Mapped[int] = mapped_column(BigInteger, server_default="0")
    stores_revision: Mapped[int] = mapped_column(BigInteger, server_default="0")
    second_factor_roles: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    origins: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    erase_at: Mapped[datetime | None] = mapped_column(Instant)
    erase_asked_by: Mapped[UUID | None]


class Membership(PlatformBase):
    """A person's place in one workspace."""

    __tablename__ = "membership"
    __table_args__ = (Index("membership_person", "person_id"),)

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("platform.person.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(Text)
    own_roles: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    created_at: Mapped[datetime] = mapped_column(Instant)


class Invitation(PlatformBase):
    """An open door into a workspace for one e-mail address, by link, once."""

    __tablename__ = "invitation"
    __table_args__ = (Index("invitation_tenant", "tenant_id", "created_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"))
    email_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("invitation.email/platform/{id}"))
    role: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    expires_at: Mapped[datetime] = mapped_column(Instant)
    accepted_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
