"""The table of backups that were taken of workspaces."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Double, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase

Instant = DateTime(timezone=True)


class Backup(PlatformBase):
    """One backup of one workspace: under way, done, failed, or deleted because its time was over."""

    __tablename__ = "backup"
    __table_args__ = (Index("backup_recent", "began_at", "id"), Index("backup_tenant", "tenant_id", "began_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    slug: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    began_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    file_name: Mapped[str] = mapped_column(Text)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    seconds: Mapped[float | None] = mapped_column(Double)
    rows_count: Mapped[int | None] = mapped_column(BigInteger)
    digest: Mapped[str | None] = mapped_column(Text)
    manifest: Mapped[str | None] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
