"""The append-only trails and their seals: one of each in every tenant's schema, one for the platform."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase, TenantBase

Instant = DateTime(timezone=True)


class _Event:
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(Instant)
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


class _Unsealed:
    """An event that no seal holds yet: comes with the event, goes with the seal."""

    __tablename__ = "audit_unsealed"
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class _Words:
    """In which seal an event lies, and the words by which it is found; made off the way of the acts."""

    __tablename__ = "audit_words"
    event_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    seal: Mapped[int] = mapped_column(BigInteger)
    words: Mapped[str] = mapped_column(TSVECTOR)


class _Seal:
    """Some events, hashed one by one (`leaves`, 32 bytes each) and together, chained to the seal before."""

    __tablename__ = "audit_seal"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    root: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    count: Mapped[int] = mapped_column(Integer)
    total: Mapped[int] = mapped_column(BigInteger)
    event_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    leaves: Mapped[bytes] = mapped_column(LargeBinary)
    newest_at: Mapped[datetime] = mapped_column(Instant)


class _Checkpoint:
    """A signature over a seal's hash, and so over all that came before it."""

    __tablename__ = "audit_checkpoint"
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    total: Mapped[int] = mapped_column(BigInteger)
    key_id: Mapped[str] = mapped_column(Text)
    signature: Mapped[bytes] = mapped_column(LargeBinary)


class AuditEvent(_Event, TenantBase):
    """Who did what to what in one workspace."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("audit_object", "object_type", "object_id", "id"),
        Index("audit_action", "action", "id"),
        Index("audit_actor", "actor_id", "id"),
        Index("audit_through", "through_id", "id"),
        Index("audit_at", "at", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
    )


class PlatformAuditEvent(_Event, PlatformBase):
    """Who did what to the installation."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("platform_audit_object", "object_type", "object_id", "id"),
        Index("platform_audit_action", "action", "id"),
        Index("platform_audit_actor", "actor_id", "id"),
        Index("platform_audit_through", "through_id", "id"),
        Index("platform_audit_at", "at", postgresql_using="brin", postgresql_with={"pages_per_range": 16}),
    )


class AuditUnsealed(_Unsealed, TenantBase):
    """What waits for a seal in one workspace."""


class PlatformAuditUnsealed(_Unsealed, PlatformBase):
    """What waits for a seal of the installation."""


class AuditWords(_Words, TenantBase):
    """The words of one workspace's trail."""

    __table_args__ = (Index("audit_word", "words", postgresql_using="gin"),)


class PlatformAuditWords(_Words, PlatformBase):
    """The words of the installation's trail."""

    __table_args__ = (Index("platform_audit_word", "words", postgresql_using="gin"),)


class AuditSeal(_Seal, TenantBase):
    """A seal of one workspace."""


class PlatformAuditSeal(_Seal, PlatformBase):
    """A seal of the installation."""


class AuditCheckpoint(_Checkpoint, TenantBase):
    """A signature over one workspace's trail."""


class PlatformAuditCheckpoint(_Checkpoint, PlatformBase):
    """A signature over the installation's trail."""


class AuditKey(PlatformBase):
    """A key that signs checkpoints: its public half to show, its private half sealed."""

    __tablename__ = "audit_key"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
