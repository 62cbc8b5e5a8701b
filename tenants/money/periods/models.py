"""The table of closings; triggers beside it refuse entries in a closed period and any change but one reopening."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Identity, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import TenantBase

Instant = DateTime(timezone=True)


class PeriodClosing(TenantBase):
    """A period that was closed by someone, and perhaps reopened by someone."""

    __tablename__ = "period_closing"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    starts: Mapped[date]
    ends: Mapped[date]
    note: Mapped[str] = mapped_column(Text, server_default="")
    closed_at: Mapped[datetime] = mapped_column(Instant)
    closed_by: Mapped[UUID]
    reopened_at: Mapped[datetime | None] = mapped_column(Instant)
    reopened_by: Mapped[UUID | None]
