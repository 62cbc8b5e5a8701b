"""The table of holds; a trigger beside it keeps what is held per account and that a settled hold stays settled."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKeyConstraint, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import TenantBase

Instant = DateTime(timezone=True)


class Hold(TenantBase):
    """Money reserved on an account, in minor units."""

    __tablename__ = "hold"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "currency"], ["account.id", "account.currency"]),
        Index("hold_account", "account_id", "id"),
        Index("hold_due", "expires_at", postgresql_where=text("state = 'active'")),
        Index("hold_entry", "entry_id", postgresql_where=text("entry_id IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, server_default="")
    state: Mapped[str] = mapped_column(Text, server_default="active")
    placed_at: Mapped[datetime] = mapped_column(Instant)
    placed_by: Mapped[UUID]
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    settled_at: Mapped[datetime | None] = mapped_column(Instant)
    settled_by: Mapped[UUID | None]
    captured: Mapped[int | None] = mapped_column(BigInteger)
    entry_id: Mapped[int | None] = mapped_column(BigInteger)
