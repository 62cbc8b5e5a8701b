"""Acts on reconciliations: begin, tick, finish (which closes what is ticked), give up, undo. Amounts in minor units."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as accounts
from tenants.money.accounts.queries import AccountView
from tenants.money.ledger import closing
from tenants.money.ledger.commands import post_entry
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from tenants.money.periods import queries as periods
from tenants.money.reconciliations import queries, ticks
from tenants.money.reconciliations.models import Reconciliation, ReconciliationLine
from tenants.money.reconciliations.queries import ReconciliationView
from tenants.money.reconciliations.refusals import AlreadyBegun, AlreadyFinished, DifferenceLeft, NotTheLast
from tenants.money.reconciliations.rules import STATEMENT_KINDS, Adjustment, StatementDraft, draft_errors
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound
from webapp.kernel.money import decimal

# What is read of an account's reconciliations holds until the act is stored: they build on each other's balances.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(hashtext('reconciliation/' || CAST(:account AS text)), hashtext(current_schema()))"
)
_RELEASE = text("UPDATE reconciliation_line SET undone = true WHERE reconciliation_id = :id RETURNING entry_id")
_KEPT = text("""
    SELECT l.entry_id FROM reconciliation_line l JOIN reconciliation r ON r.id = l.reconciliation_id
    WHERE l.entry_id = any (:ids) AND NOT l.undone AND r.finished_at IS NOT NULL
""")


def begin(
    *, session: Session, actor: Actor, at: datetime, account_id: int, draft: StatementDraft
) -> ReconciliationView:
    """Begin to compare an account with a statement; what is marked as cleared up to its day is ticked already.

    Raises NotFound, Invalid (account_id, date, balance), AlreadyBegun, TooManyTicks.
    """
    account = accounts.account(session=session, account_id=account_id)
    if account is None:
        raise NotFound
    if account.kind not in STATEMENT_KINDS:
        message = N_("Only accounts where money sits or is owed have statements.")
        raise Invalid(errors=(FieldError("account_id", "kind", message),))
    _lock_account(session, account_id)
    last = queries.last_one(session=session, account_id=account_id)
    if errors := draft_errors(draft, not_before=last.day if last else None):
        raise Invalid(errors=errors)
    try:
        with session.begin_nested():
            made: int = session.execute(
                insert(Reconciliation)
                .values(
                    account_id=account_id,
                    currency=account.currency,
                    day=draft.day,
                    opening=last.balance if last else 0,
                    balance=draft.balance,
                    started_at=at,
                    started_by=actor.person_id,
                )
                .returning(Reconciliation.id),
            ).scalar_one()
    except IntegrityError:
        raise AlreadyBegun from None
    view = _found(session, made)
    ticks.tick_many(session, view, everything=False)
    _record(session, actor, at, view, "started", {"account_id": (None, account_id), **_said(draft)})
    return view


def correct(
    *, session: Session, actor: Actor, at: datetime, reconciliation_id: int, draft: StatementDraft
) -> ReconciliationView:
    """Correct the statement's day or balance while it is compared.

    Raises NotFound, AlreadyFinished, Invalid (date, balance).
    """
    before = _lock(session, reconciliation_id)
    last = queries.last_one(session=session, account_id=before.account_id)
    if errors := draft_errors(draft, not_before=last.day if last else None):
        raise Invalid(errors=errors)
    old, new = _said(StatementDraft(before.day, before.balance)), _said(draft)
    difference = {name: (old[name][1], new[name][1]) for name in new if old[name] != new[name]}
    if difference:
        session.execute(
            update(Reconciliation)
            .where(Reconciliation.id == reconciliation_id)
            .values(day=draft.day, balance=draft.balance),
        )
        _record(session, actor, at, before, "corrected", difference)
    return _found(session, reconciliation_id)


def tick(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    reconciliation_id: int,
    entry_ids: Sequence[int] | None,
    ticked: bool,
) -> int:
    """Tick entries as seen on the statement, or not; None means all up to its day. Return how many changed.

    Entries that other reconciliations of the account have confirmed are left. Raises NotFound (also for an entry that
    is not on the account), AlreadyFinished, TooManyTicks.
    """
    view = _lock(session, reconciliation_id)
    if entry_ids is None:
        count = ticks.tick_many(session, view, everything=True) if ticked else ticks.untick(session, view, None)
    else:
        ids = sorted(set(entry_ids))
        if not ticks.are_on_statement(session, view, ids):
            raise NotFound
        count = ticks.tick_some(session, view, ids) if ticked else ticks.untick(session, view, ids)
    if count:
        values: dict[str, Any] = {"count": (None, count), "cleared": (not ticked, ticked)}
        if entry_ids is not None:
            values["entries"] = (None, sorted(set(entry_ids))[:1000])
        _record(session, actor, at, view, "ticked", values)
    return count


def finish(
    *, session: Session, actor: Actor, at: datetime, reconciliation_id: int, adjustment: Adjustment | None = None
) -> ReconciliationView:
    """Close every ticked entry as reconciled, once nothing is left between the statement and them.

    With an adjustment, what is left is booked by an entry of the statement's day, which is closed with the others.
    Raises NotFound, AlreadyFinished, DifferenceLeft, Invalid (account_id), PeriodClosed, AccountClosed.
    """
    view = _lock(session, reconciliation_id)
    ticks.drop_outside(session, view)
    ids = ticks.ticked_ids(session, view)
    closing.lock_entries(session=session, ids=ids)
    left = queries.difference(view, queries.figures(session=session, view=view))
    adjustment_id = None
    if left and adjustment is None:
        raise DifferenceLeft(difference=decimal(left, view.currency), currency=view.currency)
    if left and adjustment is not None:
        adjustment_id = _adjust(session, actor, at, view, adjustment, left)
        ids.append(adjustment_id)
    days = periods.closed_days(session=session, until=view.day)
    closing.close_reconciled(session=session, actor=actor, at=at, ids=ids, account_id=view.account_id, closed_days=days)
    session.execute(
        update(Reconciliation)
        .where(Reconciliation.id == view.id)
        .values(finished_at=at, finished_by=actor.person_id, entries=len(ids), adjustment_id=adjustment_id),
    )
    said = _said(StatementDraft(view.day, view.balance))
    more = {"adjustment": (None, adjustment_id)} if adjustment_id else {}
    _record(
        session,
        actor,
        at,
        view,
        "finished",
        {"account_id": (None, view.account_id), "count": (None, len(ids))} | said | more,
    )
    return _found(session, view.id)


def give_up(*, session: Session, actor: Actor, at: datetime, reconciliation_id: int) -> None:
    """Drop a reconciliation that is not finished, with its ticks; the entries stay as they are.

    Raises NotFound, AlreadyFinished.
    """
    view = _lock(session, reconciliation_id)
    session.execute(delete(ReconciliationLine).where(ReconciliationLine.reconciliation_id == view.id))
    session.execute(delete(Reconciliation).where(Reconciliation.id == view.id))
    said = _said(StatementDraft(view.day, view.balance))
    _record(session, actor, at, view, "dropped", {name: (value, None) for name, (_none, value) in said.items()})


def undo(*, session: Session, actor: Actor, at: datetime, reconciliation_id: int) -> ReconciliationView:
    """Open the entries of the newest reconciliation again; it stays on record with who undid it.

    What another account's reconciliation closed, or was reversed meanwhile, stays closed. Raises NotFound, NotTheLast.
    """
    view = _lock(session, reconciliation_id, finished=True)
    last = queries.last_one(session=session, account_id=view.account_id)
    if last is None or last.id != view.id or queries.open_one(session=session, account_id=view.account_id):
        raise NotTheLast
    session.execute(
        update(Reconciliation).where(Reconciliation.id == view.id).values(undone_at=at, undone_by=actor.person_id),
    )
    ids = sorted(session.scalars(_RELEASE, {"id": view.id}))
    closing.lock_entries(session=session, ids=ids)
    kept = set(session.scalars(_KEPT, {"ids": ids}))
    closing.open_reconciled(session=session, ids=[one for one in ids if one not in kept])
    said = _said(StatementDraft(view.day, view.balance))
    values = {name: (value, None) for name, (_none, value) in said.items()}
    _record(session, actor, at, view, "undone", {"account_id": (view.account_id, None), **values})
    return _found(session, view.id)


def _lock(session: Session, reconciliation_id: int, *, finished: bool = False) -> ReconciliationView:
    """Return a reconciliation while its account is locked: two people who tick and finish come one after the other."""
    _lock_account(session, _found(session, reconciliation_id).account_id)
    view = _found(session, reconciliation_id)
    if not finished and view.state != "open":
        raise AlreadyFinished
    return view


def _lock_account(session: Session, account_id: int) -> None:
    session.execute(_LOCK, {"account": account_id})


def _found(session: Session, reconciliation_id: int) -> ReconciliationView:
    view = queries.reconciliation(session=session, reconciliation_id=reconciliation_id)
    if view is None:
        raise NotFound
    return view


def _adjust(
    session: Session, actor: Actor, at: datetime, view: ReconciliationView, adjustment: Adjustment, left: int
) -> int:
    """Book what is left against another account, and tick it."""
    other: AccountView | None = accounts.account(session=session, account_id=adjustment.account_id)
    if other is None or other.id == view.account_id:
        raise Invalid(errors=(FieldError("account_id", "unknown", N_("Choose another account.")),))
    if other.currency != view.currency:
        message = N_("The account is kept in %(expected)s, not in %(given)s.")
        params = {"expected": other.currency, "given": view.currency}
        raise Invalid(errors=(FieldError("account_id", "currency", message, params),))
    postings = (PostingDraft(view.account_id, left, view.currency), PostingDraft(other.id, -left, view.currency))
    draft = EntryDraft(view.day, adjustment.description, postings)
    entry_id = post_entry(session=session, actor=actor, at=at, draft=draft)
    ticks.tick_some(session, view, [entry_id])
    return entry_id


def _said(draft: StatementDraft) -> dict[str, tuple[Any, Any]]:
    return {"date": (None, draft.day.isoformat()), "balance": (None, draft.balance)}


def _record(
    session: Session, actor: Actor, at: datetime, view: ReconciliationView, verb: str, values: dict[str, Any]
) -> None:
    record(
        session=session,
        actor=actor,
        at=at,
        action=f"reconciliation.{verb}",
        object_type="reconciliation",
        object_id=view.id,
        difference=values | ({"currency": (None, view.currency)} if "balance" in values else {}),
    )
