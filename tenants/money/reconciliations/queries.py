"""Reads of reconciliations; amounts in minor units, debit positive; always bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tenants.money.reconciliations.models import Reconciliation

_CONFIRMED = text("""
    SELECT ids.id, r.day FROM unnest(CAST(:ids AS bigint[])) AS ids (id) CROSS JOIN LATERAL (
        SELECT day FROM reconciliation WHERE account_id = ids.id AND finished_at IS NOT NULL AND undone_at IS NULL
        ORDER BY id DESC LIMIT 1
    ) AS r
""")


@dataclass(frozen=True, slots=True)
class ReconciliationView:
    """One reconciliation; `opening` is the balance up to which the account was reconciled before."""

    id: int
    account_id: int
    currency: str
    day: date
    opening: int
    balance: int
    entries: int
    adjustment_id: int | None
    started_at: datetime
    started_by: UUID
    finished_at: datetime | None
    finished_by: UUID | None
    undone_at: datetime | None
    undone_by: UUID | None

    @property
    def state(self) -> str:
        """Return open, finished or undone."""
        if self.finished_at is None:
            return "open"
        return "finished" if self.undone_at is None else "undone"


@dataclass(frozen=True, slots=True)
class Figures:
    """What is ticked up to the statement's day: how many entries, and their sum on the account."""

    count: int
    ticked: int


@dataclass(frozen=True, slots=True)
class Line:
    """An entry that may be on the statement, by what it adds to the account."""

    day: date
    entry_id: int
    amount: int
    is_ticked: bool


_VIEW = tuple(getattr(Reconciliation, name) for name in ReconciliationView.__dataclass_fields__)
_FIGURES = text("""
    SELECT count(DISTINCT p.entry_id), coalesce(sum(p.amount), 0)::bigint
    FROM reconciliation_line l JOIN posting p ON p.entry_id = l.entry_id AND p.account_id = l.account_id
    WHERE l.reconciliation_id = :id AND p.day <= :day
""")
_LINES = text("""
    SELECT p.day, p.entry_id, sum(p.amount)::bigint, bool_or(l.entry_id IS NOT NULL)
    FROM posting p
    LEFT JOIN reconciliation_line l ON l.entry_id = p.entry_id AND l.account_id = p.account_id AND NOT l.undone
    WHERE p.account_id = :account AND (p.day, p.entry_id) < (:before, :before_id)
        AND (l.entry_id IS NULL OR l.reconciliation_id = :id)
    GROUP BY p.day, p.entry_id ORDER BY p.day DESC, p.entry_id DESC LIMIT :limit
""")
_RECORDED = text("""
    SELECT p.day, p.entry_id, sum(p.amount)::bigint, true
    FROM reconciliation_line l JOIN posting p ON p.entry_id = l.entry_id AND p.account_id = l.account_id
    WHERE l.reconciliation_id = :id AND (p.day, p.entry_id) < (:before, :before_id)
    GROUP BY p.day, p.entry_id ORDER BY p.day DESC, p.entry_id DESC LIMIT :limit
""")
_ONE = text("""
    SELECT p.day, p.entry_id, sum(p.amount)::bigint, bool_or(l.entry_id IS NOT NULL)
    FROM posting p LEFT JOIN reconciliation_line l ON l.entry_id = p.entry_id AND l.reconciliation_id = :id
    WHERE p.entry_id = :entry AND p.account_id = :account GROUP BY p.day, p.entry_id
""")
_ENDLESS_ID = 2**63 - 1


def reconciliation(*, session: Session, reconciliation_id: int) -> ReconciliationView | None:
    """Return one reconciliation."""
    row = session.execute(select(*_VIEW).where(Reconciliation.id == reconciliation_id)).first()
    return None if row is None else ReconciliationView(*row)


def account_of(*, session: Session, reconciliation_id: int) -> int | None:
    """Return the account that a reconciliation is of."""
    return session.scalar(select(Reconciliation.account_id).where(Reconciliation.id == reconciliation_id))


def reconciliations(
    *, session: Session, account_id: int, limit: int, before_id: int | None = None
) -> list[ReconciliationView]:
    """Return at most `limit` reconciliations of an account, newest first, older than `before_id`."""
    query = select(*_VIEW).where(Reconciliation.account_id == account_id).order_by(Reconciliation.id.desc())
    if before_id is not None:
        query = query.where(Reconciliation.id < before_id)
    return [ReconciliationView(*row) for row in session.execute(query.limit(limit))]


def open_one(*, session: Session, account_id: int) -> ReconciliationView | None:
    """Return the account's reconciliation that is not finished."""
    query = select(*_VIEW).where(Reconciliation.account_id == account_id, Reconciliation.finished_at.is_(None))
    row = session.execute(query).first()
    return None if row is None else ReconciliationView(*row)


def last_one(*, session: Session, account_id: int) -> ReconciliationView | None:
    """Return the account's newest reconciliation that is finished and in force: up to there all is confirmed."""
    query = select(*_VIEW).where(
        Reconciliation.account_id == account_id,
        Reconciliation.finished_at.is_not(None),
        Reconciliation.undone_at.is_(None),
    )
    row = session.execute(query.order_by(Reconciliation.id.desc()).limit(1)).first()
    return None if row is None else ReconciliationView(*row)


def confirmed(*, session: Session, account_ids: Sequence[int]) -> dict[int, date]:
    """Return up to which day each account's newest finished reconciliation in force confirms it; none where none is."""
    return dict(session.execute(_CONFIRMED, {"ids": list(account_ids)}).all())  # type: ignore[arg-type]  # rows are pairs


def figures(*, session: Session, view: ReconciliationView) -> Figures:
    """Return what is ticked up to the statement's day."""
    return Figures(*session.execute(_FIGURES, {"id": view.id, "day": view.day}).one())


def difference(view: ReconciliationView, found: Figures) -> int:
    """Return what the statement says beyond the books: zero when it can be finished."""
    return view.balance - view.opening - found.ticked


def lines(
    *, session: Session, view: ReconciliationView, limit: int, before: tuple[date, int] | None = None
) -> list[Line]:
    """Return at most `limit` entries, newest first, before a key: those that may be ticked, or that were."""
    day, entry_id = before or (view.day, _ENDLESS_ID)
    values = {"id": view.id, "before": day, "before_id": entry_id, "limit": limit}
    if view.state == "open":
        return [Line(*row) for row in session.execute(_LINES, values | {"account": view.account_id})]
    return [Line(*row) for row in session.execute(_RECORDED, values)]


def line(*, session: Session, view: ReconciliationView, entry_id: int) -> Line | None:
    """Return one entry of the account as it stands in a reconciliation."""
    row = session.execute(_ONE, {"id": view.id, "entry": entry_id, "account": view.account_id}).first()
    return None if row is None else Line(*row)
