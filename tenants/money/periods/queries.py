"""Reads of closings; always bounded."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from tenants.money.periods.models import PeriodClosing


@dataclass(frozen=True, slots=True)
class ClosingView:
    """A closing; both days are included."""

    id: int
    starts: date
    ends: date
    note: str
    closed_at: datetime
    closed_by: UUID
    reopened_at: datetime | None
    reopened_by: UUID | None

    @property
    def is_closed(self) -> bool:
        """Tell whether the period is closed still."""
        return self.reopened_at is None


_CLOSING = tuple(getattr(PeriodClosing, name) for name in ClosingView.__dataclass_fields__)


def closing(*, session: Session, closing_id: int) -> ClosingView | None:
    """Return one closing."""
    row = session.execute(select(*_CLOSING).where(PeriodClosing.id == closing_id)).first()
    return None if row is None else ClosingView(*row)


def closings(*, session: Session, limit: int, before_id: int | None = None) -> list[ClosingView]:
    """Return at most `limit` closings, newest first, older than `before_id`."""
    query = select(*_CLOSING).order_by(PeriodClosing.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(PeriodClosing.id < before_id)
    return [ClosingView(*row) for row in session.execute(query)]


def overlapping(*, session: Session, starts: date, ends: date) -> ClosingView | None:
    """Return a closing still in force that shares a day with the period."""
    query = select(*_CLOSING).where(
        PeriodClosing.reopened_at.is_(None),
        PeriodClosing.starts <= ends,
        PeriodClosing.ends >= starts,
    )
    row = session.execute(query.order_by(PeriodClosing.starts).limit(1)).first()
    return None if row is None else ClosingView(*row)


def closed_until(*, session: Session) -> date | None:
    """Return the last day that lies in a closed period."""
    query = select(PeriodClosing.ends).where(PeriodClosing.reopened_at.is_(None))
    return session.scalar(query.order_by(PeriodClosing.ends.desc()).limit(1))


def closed_days(*, session: Session, until: date) -> list[tuple[date, date]]:
    """Return the periods that are closed and begin until a day, each from and to (at most 1,000)."""
    query = select(PeriodClosing.starts, PeriodClosing.ends).where(
        PeriodClosing.reopened_at.is_(None), PeriodClosing.starts <= until
    )
    return [(row[0], row[1]) for row in session.execute(query.order_by(PeriodClosing.starts.desc()).limit(1000))]
