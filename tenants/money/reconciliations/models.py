"""Tables of reconciliations and of the entries ticked in them; triggers beside them keep what is finished."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, ForeignKeyConstraint, Identity, Index, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import TenantBase

Instant = DateTime(timezone=True)


class Reconciliation(TenantBase):
    """An account compared with a statement: begun by someone, perhaps finished, perhaps undone."""

    __tablename__ = "reconciliation"
    __table_args__ = (
        ForeignKeyConstraint(["account_id", "currency"], ["account.id", "account.currency"]),
        Index("reconciliation_account", "account_id", "id"),
        Index("reconciliation_open", "account_id", unique=True, postgresql_where=text("finished_at IS NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    account_id: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    day: Mapped[date]
    opening: Mapped[int] = mapped_column(BigInteger)
    balance: Mapped[int] = mapped_column(BigInteger)
    entries: Mapped[int] = mapped_column(server_default="0")
    adjustment_id: Mapped[int | None] = mapped_column(BigInteger)
    started_at: Mapped[datetime] = mapped_column(Instant)
    started_by: Mapped[UUID]
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_by: Mapped[UUID | None]
    undone_at: Mapped[datetime | None] = mapped_column(Instant)
    undone_by: Mapped[UUID | None]


class ReconciliationLine(TenantBase):
    """An entry that is ticked: seen on the statement. It survives edits of the entry."""

    __tablename__ = "reconciliation_line"
    __table_args__ = (
        Index("reconciliation_line_entry", "entry_id", "account_id", unique=True, postgresql_where=text("NOT undone")),
    )

    reconciliation_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("reconciliation.id"), primary_key=True)
    entry_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(BigInteger)
    undone: Mapped[bool] = mapped_column(server_default="false")
