"""Closing many entries at once, for whoever has a reason, and opening them again when that reason is gone."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tenants.money.ledger.conditions import any_of
from tenants.money.ledger.models import Entry
from tenants.money.ledger.refusals import book_rules
from webapp.kernel.actor import Actor

_MARK = text("""
    UPDATE posting p SET cleared = true FROM entry e
    WHERE e.id = p.entry_id AND p.entry_id = any (:ids) AND p.account_id = :account AND NOT p.cleared
        AND e.closed_at IS NULL
        AND NOT EXISTS (SELECT FROM unnest(CAST(:starts AS date[]), CAST(:ends AS date[])) AS c (starts, ends)
            WHERE p.day BETWEEN c.starts AND c.ends)
""")
_CLOSE = text("""
    UPDATE entry SET closed_at = :at, closed_by = :by, closed_because = 'reconciled'
    WHERE id = any (:ids) AND closed_at IS NULL
""")
_OPEN = text("""
    UPDATE entry e SET
        closed_at = CASE WHEN r.id IS NULL THEN NULL ELSE e.closed_at END,
        closed_by = CASE WHEN r.id IS NULL THEN NULL ELSE e.closed_by END,
        closed_because = CASE WHEN r.id IS NULL THEN NULL ELSE 'reversed' END
    FROM entry o LEFT JOIN entry r ON r.reverses_id = o.id
    WHERE o.id = e.id AND e.id = any (:ids) AND e.closed_because = 'reconciled'
""")


def lock_entries(*, session: Session, ids: Sequence[int]) -> None:
    """Lock entries in the order of their ids, so that two acts never wait for each other in a ring."""
    session.execute(select(Entry.id).where(Entry.id == any_of(sorted(ids))).order_by(Entry.id).with_for_update())


def close_reconciled(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    ids: Sequence[int],
    account_id: int,
    closed_days: Sequence[tuple[date, date]],
) -> None:
    """Close locked entries as reconciled and mark their postings on the account as cleared; the caller records the act.

    Entries that are closed already stay as they are, and so do the marks within `closed_days`.
    """
    with book_rules():
        session.execute(
            _MARK,
            {
                "ids": list(ids),
                "account": account_id,
                "starts": [starts for starts, _ends in closed_days],
                "ends": [ends for _starts, ends in closed_days],
            },
        )
        session.execute(_CLOSE, {"ids": list(ids), "at": at, "by": actor.person_id})


def open_reconciled(*, session: Session, ids: Sequence[int]) -> None:
    """Open entries again that nothing keeps reconciled any more; one that was reversed meanwhile stays closed for that.

    The database refuses it while a reconciliation that closed one of them stands.
    """
    with book_rules():
        session.execute(_OPEN, {"ids": list(ids)})
