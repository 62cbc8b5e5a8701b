"""Job rows: the truth about background work; Valkey only carries their ids."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.kernel.db import PlatformBase
from webapp.kernel.sealed import sealed

Instant = DateTime(timezone=True)


class Job(PlatformBase):
    """One piece of background work; `tenant_id` is None for the installation's own."""

    __tablename__ = "job"
    __table_args__ = (
        Index("job_due", "available_at", postgresql_where=text("state IN ('queued', 'running')")),
        Index("job_tenant", "tenant_id", "created_at", "id"),
        Index("job_recent", "created_at", "id"),
        Index("job_parked", "created_at", postgresql_where=text("state = 'parked'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID | None] = mapped_column(ForeignKey("platform.tenant.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    queue: Mapped[str] = mapped_column(Text)
    arguments_sealed: Mapped[bytes] = mapped_column(LargeBinary, info=sealed("job.arguments/platform/{id}"))
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[UUID]
    created_by_label: Mapped[str] = mapped_column(Text, server_default="")
    request_id: Mapped[str] = mapped_column(Text, server_default="")
    source_address: Mapped[str] = mapped_column(Text, server_default="")
    trace: Mapped[str] = mapped_column(Text, server_default="")
    available_at: Mapped[datetime] = mapped_column(Instant)
    delivered_at: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    heartbeat_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(Instant)
    progress_done: Mapped[int] = mapped_column(BigInteger)
    progress_total: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)


class Heartbeat(PlatformBase):
    """When a worker, the clock or web was last seen alive, and in which version."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    seen_at: Mapped[datetime] = mapped_column(Instant)
    version: Mapped[str] = mapped_column(Text, server_default="")
