"""The ticks of a reconciliation as they are stored; whoever calls has locked its account."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from tenants.money.reconciliations.models import ReconciliationLine
from tenants.money.reconciliations.queries import ReconciliationView
from tenants.money.reconciliations.refusals import TooManyTicks
from tenants.money.reconciliations.rules import TICKS_MAX

# What a person has marked as cleared on the account is on the statement, until someone says otherwise.
_TICK_CLEARED = text("""
    INSERT INTO reconciliation_line (reconciliation_id, entry_id, account_id)
    SELECT :id, p.entry_id, :account FROM posting p
    WHERE p.account_id = :account AND p.day <= :day AND NOT EXISTS (SELECT FROM reconciliation_line l
        WHERE l.entry_id = p.entry_id AND l.account_id = :account AND NOT l.undone)
    GROUP BY p.entry_id HAVING bool_and(p.cleared) OR :all LIMIT :limit
    ON CONFLICT DO NOTHING
""")
_KNOWN = text("""
    SELECT DISTINCT entry_id FROM posting WHERE entry_id = any (:ids) AND account_id = :account AND day <= :day
""")
_DROP_OUTSIDE = text("""
    DELETE FROM reconciliation_line l WHERE l.reconciliation_id = :id AND NOT EXISTS (SELECT FROM posting p
        WHERE p.entry_id = l.entry_id AND p.account_id = l.account_id AND p.day <= :day)
""")


def are_on_statement(session: Session, view: ReconciliationView, ids: Sequence[int]) -> bool:
    """Tell whether all these entries touch the account up to the statement's day."""
    found = session.scalars(_KNOWN, {"ids": list(ids), "account": view.account_id, "day": view.day})
    return set(found) == set(ids)


def drop_outside(session: Session, view: ReconciliationView) -> None:
    """Take the ticks away of entries that were deleted or moved after the statement's day since."""
    session.execute(_DROP_OUTSIDE, {"id": view.id, "day": view.day})


def ticked_ids(session: Session, view: ReconciliationView) -> list[int]:
    """Return the ticked entries, at most one more than a reconciliation takes."""
    query = select(ReconciliationLine.entry_id).where(ReconciliationLine.reconciliation_id == view.id)
    return list(session.scalars(query.order_by(ReconciliationLine.entry_id).limit(TICKS_MAX + 1)))


def tick_many(session: Session, view: ReconciliationView, *, everything: bool) -> int:
    """Tick what is marked as cleared up to the statement's day, or everything, and return how many were added."""
    values = {"id": view.id, "account": view.account_id, "day": view.day, "all": everything, "limit": TICKS_MAX + 1}
    result: Any = session.execute(_TICK_CLEARED, values)
    _check_ticks(session, view)
    return int(result.rowcount)


def tick_some(session: Session, view: ReconciliationView, ids: Sequence[int]) -> int:
    """Tick entries and return how many were not ticked yet; those that another one has confirmed are left."""
    rows = [{"reconciliation_id": view.id, "entry_id": one, "account_id": view.account_id} for one in ids]
    if not rows:
        return 0
    added = session.scalars(
        upsert(ReconciliationLine).values(rows).on_conflict_do_nothing().returning(ReconciliationLine.entry_id)
    ).all()
    _check_ticks(session, view)
    return len(added)


def _check_ticks(session: Session, view: ReconciliationView) -> None:
    if len(ticked_ids(session, view)) > TICKS_MAX:
        raise TooManyTicks(maximum=TICKS_MAX)


def untick(session: Session, view: ReconciliationView, ids: Sequence[int] | None) -> int:
    """Take the ticks of entries away, or all of them, and return how many."""
    query = delete(ReconciliationLine).where(ReconciliationLine.reconciliation_id == view.id)
    if ids is not None:
        query = query.where(ReconciliationLine.entry_id.in_(ids))
    return len(session.scalars(query.returning(ReconciliationLine.entry_id)).all())
