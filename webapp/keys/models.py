"""The table of wrapped data keys: two for each workspace, two for the platform, more while a rotation runs."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Identity, Integer, LargeBinary, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase

Instant = DateTime(timezone=True)


class DataKey(PlatformBase):
    """A key that seals fields, or blinds them for a search; worthless without the master key that wrapped it."""

    __tablename__ = "data_key"
    __table_args__ = (UniqueConstraint("tenant_id", "purpose", "rotation", postgresql_nulls_not_distinct=True),)

    id: Mapped[int] = mapped_column(Integer, Identity(always=True), primary_key=True)
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(Text)
    rotation: Mapped[UUID]
    master_id: Mapped[str] = mapped_column(Text)
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)
