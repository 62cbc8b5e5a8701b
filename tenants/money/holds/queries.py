"""Reads of holds; amounts in minor units; always bounded."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from tenants.money.holds.models import Hold


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold; `captured` is what its entry took, the rest was released."""

    id: int
    account_id: int
    amount: int
    currency: str
    description: str
    state: str
    placed_at: datetime
    placed_by: UUID
    expires_at: datetime | None
    settled_at: datetime | None
    settled_by: UUID | None
    captured: int | None
    entry_id: int | None


_HOLD = tuple(getattr(Hold, name) for name in HoldView.__dataclass_fields__)


def hold(*, session: Session, hold_id: int) -> HoldView | None:
    """Return one hold."""
    row = session.execute(select(*_HOLD).where(Hold.id == hold_id)).first()
    return None if row is None else HoldView(*row)


def account_of(*, session: Session, hold_id: int) -> int | None:
    """Return the account of a hold."""
    return session.scalar(select(Hold.account_id).where(Hold.id == hold_id))


def holds(
    *,
    session: Session,
    limit: int,
    before_id: int | None = None,
    account_id: int | None = None,
    state: str | None = None,
    within: Collection[int] | None = None,
) -> list[HoldView]:
    """Return at most `limit` holds, newest first, older than `before_id`; on accounts `within` these."""
    query = select(*_HOLD).order_by(Hold.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Hold.id < before_id)
    if account_id is not None:
        query = query.where(Hold.account_id == account_id)
    if state is not None:
        query = query.where(Hold.state == state)
    if within is not None:
        query = query.where(Hold.account_id.in_(within))
    return [HoldView(*row) for row in session.execute(query)]
