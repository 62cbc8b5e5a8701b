"""Tables of policy stores: their versions, entities, and what was decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import TenantBase


class PolicyStore(TenantBase):
    """A store of policies that a workspace holds for an application of its own."""

    __tablename__ = "policy_store"
    __table_args__ = (UniqueConstraint("slug"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    slug: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    four_eyes: Mapped[bool] = mapped_column(server_default=text("false"))
    log_percent: Mapped[int] = mapped_column(SmallInteger, server_default="100")
    log_days: Mapped[int] = mapped_column(SmallInteger, server_default="30")
    log_swept_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revision: Mapped[int] = mapped_column(BigInteger, server_default="1")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_by: Mapped[UUID]


class PolicyVersion(TenantBase):
    """One version of a store's schema and policies: drafted, active, or retired."""

    __tablename__ = "policy_version"
    __table_args__ = (
        UniqueConstraint("store_id", "number"),
        Index("policy_version_active", "store_id", unique=True, postgresql_where=text("state = 'active'")),
        Index("policy_version_draft", "store_id", unique=True, postgresql_where=text("state = 'draft'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    store_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("policy_store.id", ondelete="CASCADE"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    schema: Mapped[str] = mapped_column(Text)
    policies: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_by: Mapped[UUID]
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_by: Mapped[UUID]
    changes: Mapped[int] = mapped_column(server_default="1")
    activated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    activated_by: Mapped[UUID | None]
    retired_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    replay_job_id: Mapped[UUID | None]
    replay_asked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    replayed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    replay: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class PolicyEntity(TenantBase):
    """A subject, resource or group that a store knows, with what it carries and what it stands in."""

    __tablename__ = "policy_entity"

    store_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("policy_store.id", ondelete="CASCADE"), primary_key=True
    )
    type: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    attributes: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    parents: Mapped[list[dict[str, str]]] = mapped_column(JSONB, server_default="[]")


class PolicyDecision(TenantBase):
    """One decision of a store, as it was made."""

    __tablename__ = "policy_decision"
    __table_args__ = (
        Index("policy_decision_recent", "store_id", "id"),
        Index("policy_decision_subject", "store_id", "subject_id", "id"),
        Index("policy_decision_resource", "store_id", "resource_id", "id"),
        Index("policy_decision_denied", "store_id", "id", postgresql_where=text("NOT permit")),
        Index("policy_decision_named", "decision_id"),
        Index("policy_decision_at", "store_id", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    store_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("policy_store.id", ondelete="CASCADE"))
    decision_id: Mapped[UUID]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    version: Mapped[int]
    subject_type: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    resource_type: Mapped[str] = mapped_column(Text)
    resource_id: Mapped[str] = mapped_column(Text)
    told: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    permit: Mapped[bool]
    code: Mapped[str] = mapped_column(Text)
    policies: Mapped[list[str]] = mapped_column(ARRAY(Text))
    microseconds: Mapped[int]
    asked_by: Mapped[UUID]
    request_id: Mapped[str] = mapped_column(Text, server_default="")
