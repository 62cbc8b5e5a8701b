"""The append-only trails: one in each tenant's schema, one for the platform."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase, TenantBase


class _Event:
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor_id: Mapped[UUID]
    actor_label: Mapped[str] = mapped_column(Text)
    via: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    object_type: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str] = mapped_column(Text)
    difference: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    request_id: Mapped[str] = mapped_column(Text, server_default="")
    source_address: Mapped[str] = mapped_column(Text, server_default="")
    through_id: Mapped[str] = mapped_column(Text, server_default="")
    decision_id: Mapped[str] = mapped_column(Text, server_default="")


class AuditEvent(_Event, TenantBase):
    """Who did what to what in one workspace."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_object", "object_type", "object_id", "id"),
        Index("audit_action", "action", "id"),
        Index("audit_actor", text("lower(actor_label)"), "id"),
    )


class PlatformAuditEvent(_Event, PlatformBase):
    """Who did what to the installation."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("platform_audit_object", "object_type", "object_id", "id"),)
