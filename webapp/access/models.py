"""Tables of what a workspace shaped for itself: roles of its own, and what single members may besides."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, DateTime, ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase

Instant = DateTime(timezone=True)


class AccessRole(PlatformBase):
    """A workspace's own role: what was chosen, and the Cedar text that was made of it."""

    __tablename__ = "access_role"

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    conditions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    policy: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class AccessGrant(PlatformBase):
    """What one member may besides their roles, until a moment."""

    __tablename__ = "access_grant"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "person_id"],
            ["platform.membership.tenant_id", "platform.membership.person_id"],
            ondelete="CASCADE",
        ),
        Index("access_grant_member", "tenant_id", "person_id", "created_at"),
        Index("access_grant_newest", "tenant_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    person_id: Mapped[UUID]
    permissions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    conditions: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    policy: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    expires_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
