"""Acts on periods: close, reopen. From the closing on the database refuses every entry in it."""

from datetime import datetime

from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from tenants.money.periods import queries
from tenants.money.periods.models import PeriodClosing
from tenants.money.periods.queries import ClosingView
from tenants.money.periods.rules import ClosingDraft, draft_errors
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, Conflict, Invalid, NotFound


class PeriodAlreadyClosed(Conflict):
    """A part of the period is closed already."""

    code = "period_already_closed"
    message = N_("A part of it is closed already: %(starts)s to %(ends)s.")


class PeriodAlreadyReopened(Conflict):
    """The closing is not in force any more."""

    code = "period_already_reopened"
    message = N_("The period was reopened already.")


# The key of the triggers: closings wait for postings in flight and for each other.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('period_closing'), hashtext(current_schema()))")


def close_period(*, session: Session, actor: Actor, at: datetime, draft: ClosingDraft) -> ClosingView:
    """Close a period: nothing in it is booked, changed or deleted any more.

    Raises Invalid (starts, ends, note), PeriodAlreadyClosed.
    """
    if errors := draft_errors(draft):
        raise Invalid(errors=errors)
    session.execute(_LOCK)
    if (other := queries.overlapping(session=session, starts=draft.starts, ends=draft.ends)) is not None:
        raise PeriodAlreadyClosed(starts=other.starts.isoformat(), ends=other.ends.isoformat())
    closing_id: int = session.execute(
        insert(PeriodClosing)
        .values(starts=draft.starts, ends=draft.ends, note=draft.note, closed_at=at, closed_by=actor.person_id)
        .returning(PeriodClosing.id),
    ).scalar_one()
    record(
        session=session,
        actor=actor,
        at=at,
        action="period.closed",
        object_type="period_closing",
        object_id=closing_id,
        difference={
            "starts": (None, draft.starts.isoformat()),
            "ends": (None, draft.ends.isoformat()),
            "note": (None, draft.note),
        },
    )
    return _view(session, closing_id)


def reopen_period(*, session: Session, actor: Actor, at: datetime, closing_id: int) -> ClosingView:
    """Let a period be booked in again; the closing and who undid it stay on record.

    Raises NotFound, PeriodAlreadyReopened.
    """
    session.execute(select(PeriodClosing.id).where(PeriodClosing.id == closing_id).with_for_update())
    before = _view(session, closing_id)
    if not before.is_closed:
        raise PeriodAlreadyReopened
    session.execute(
        update(PeriodClosing).where(PeriodClosing.id == closing_id).values(reopened_at=at, reopened_by=actor.person_id),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="period.reopened",
        object_type="period_closing",
        object_id=closing_id,
        difference={"starts": (before.starts.isoformat(), None), "ends": (before.ends.isoformat(), None)},
    )
    return _view(session, closing_id)


def _view(session: Session, closing_id: int) -> ClosingView:
    found = queries.closing(session=session, closing_id=closing_id)
    if found is None:
        raise NotFound
    return found
