"""The tables of backups that were taken of workspaces, and of their own exports."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase
from webapp.kernel.sealed import sealed

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


class WorkspaceExport(PlatformBase):
    """One export of a workspace for its own people."""

    __tablename__ = "workspace_export"
    __table_args__ = (
        Index("workspace_export_tenant", "tenant_id", "created_at"),
        Index("workspace_export_expiry", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"))
    with_xml: Mapped[bool]
    state: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    expires_at: Mapped[datetime] = mapped_column(Instant)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(Text)


class Erasure(PlatformBase):
    """One erasure of a workspace: what was found before, then its certificate; `owners` may read it."""

    __tablename__ = "erasure"
    __table_args__ = (Index("erasure_expiry", "expires_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owners: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    begun_at: Mapped[datetime] = mapped_column(Instant)
    is_done: Mapped[bool] = mapped_column(server_default="false")
    content_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("erasure.content/platform/{id}", at_once=8))
    expires_at: Mapped[datetime] = mapped_column(Instant)


class ExportPiece(PlatformBase):
    """A megabyte of an export."""

    __tablename__ = "export_piece"

    export_id: Mapped[UUID] = mapped_column(
        ForeignKey("platform.workspace_export.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    tenant_id: Mapped[UUID]
    content_sealed: Mapped[bytes] = mapped_column(
        LargeBinary, info=sealed("export_piece.content/tenant/{tenant_id}/{export_id}/{position}", at_once=8)
    )
