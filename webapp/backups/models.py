"""The table of backups that were taken of workspaces."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, DateTime, Double, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase

Instant = DateTime(timezone=True)


class Backup(PlatformBase):
    """One backup of one workspace: under way, done, failed, or deleted because its time was over."""

    __tablename__ = "backup"
    __table_args__ = (
        Index("backup_recent", "began_at", "id"),
        Index("backup_tenant", "tenant_id", "began_at"),
        Index("backup_failed", "failures", postgresql_where=text("failures > 0")),
        UniqueConstraint("tenant_id", "night"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    slug: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    night: Mapped[date | None] = mapped_column(Date)
    state: Mapped[str] = mapped_column(Text)
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    began_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    file_name: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float | None] = mapped_column(Double)
    rows_count: Mapped[int | None] = mapped_column(BigInteger)
    digest: Mapped[str | None] = mapped_column(Text)
    manifest: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
