"""What there is of data keys; never a key itself. On a transaction bound to the platform."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.keys.models import DataKey

BATCH_MAX = 200
SCOPES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class ScopeKeys:
    """The live data keys that seal for one workspace (None: the platform), the current one last."""

    tenant_id: UUID | None
    ids: tuple[int, ...]
    made_at: datetime

    @property
    def current(self) -> int:
        """Return the key that seals."""
        return self.ids[-1]

    @property
    def old(self) -> tuple[int, ...]:
        """Return the keys that only open."""
        return self.ids[:-1]


def scopes(*, session: Session) -> list[ScopeKeys]:
    """Return the scopes that have keys, the platform first (at most 100,000)."""
    rows = session.execute(
        select(DataKey.tenant_id, func.array_agg(DataKey.id), func.max(DataKey.made_at))
        .where(DataKey.purpose == "seal", DataKey.retired_at.is_(None))
        .group_by(DataKey.tenant_id)
        .order_by(DataKey.tenant_id.nulls_first())
        .limit(SCOPES_MAX)
    )
    return [ScopeKeys(row[0], tuple(sorted(row[1])), row[2]) for row in rows]


def wrapped_by(*, session: Session) -> dict[str, int]:
    """Return how many live data keys each master key wraps."""
    rows = session.execute(
        select(DataKey.master_id, func.count()).where(DataKey.retired_at.is_(None)).group_by(DataKey.master_id)
    )
    return {row[0]: row[1] for row in rows}


def without_rotation(*, session: Session, rotation: UUID, limit: int = BATCH_MAX) -> list[UUID | None]:
    """Return scopes with keys, but none of this rotation."""
    made = select(DataKey.tenant_id).where(DataKey.rotation == rotation, DataKey.purpose == "blind").subquery()
    query = (
        select(DataKey.tenant_id)
        .where(~select(made.c.tenant_id).where(made.c.tenant_id.is_not_distinct_from(DataKey.tenant_id)).exists())
        .distinct()
        .limit(limit)
    )
    return list(session.scalars(query))
