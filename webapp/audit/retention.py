"""Let go of events whose time is over: whole signed stretches from the chain's beginning, and nothing else.

What is left begins behind a signed checkpoint, and an event of the same transaction says what was let go.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.audit.commands import record
from webapp.audit.rules import written
from webapp.audit.seals import EXPORT_LOCK, SEALER_LOCK, Chain, enter
from webapp.kernel.actor import Actor

ACTION = "trail.cleared"
STEPS_MAX = 200
"""Signed stretches that one run lets go at most (each of at most 10,000 events); the next run goes on."""
ACTOR = Actor.system("retention")


def clear(*, begin: Callable[[], AbstractContextManager[Session]], chain: Chain, at: datetime, keep: timedelta) -> int:
    """Remove the events that are older than `keep` of one trail, as the owner; return how many.

    Only events that a seal and a checkpoint hold are removed, and the newest checkpoint's never.
    """
    removed = 0
    for _ in range(STEPS_MAX):
        with begin() as session:
            step = _clear_step(session, chain, at, at - keep)
        if step == 0:
            break
        removed += step
    return removed


def _clear_step(session: Session, chain: Chain, at: datetime, before: datetime) -> int:
    """Remove what the oldest checkpoint alone covers, if all of that is too old."""
    enter(session, chain)
    locked = text("SELECT pg_try_advisory_xact_lock(:lock, hashtext(:name))")
    for lock in (SEALER_LOCK, EXPORT_LOCK):
        if not session.scalar(locked, {"lock": lock, "name": chain.name}):
            return 0
    query = """
        SELECT min(c.number) FROM audit_checkpoint c
        WHERE c.number >= (SELECT min(number) FROM audit_seal) AND c.number < (SELECT max(number) FROM audit_seal)
    """
    upto = session.scalar(text(query))
    if upto is None:
        return 0
    young = "SELECT count(*) FROM audit_seal WHERE number <= :upto AND newest_at >= :before"
    if session.scalar(text(young), {"upto": upto, "before": before}):
        return 0
    gone = "SELECT unnest(event_ids) FROM audit_seal WHERE number <= :upto"
    removed = session.execute(
        text(f"DELETE FROM audit_event WHERE id IN ({gone}) RETURNING id"),  # noqa: S608 - a constant of ours
        {"upto": upto},
    ).all()
    session.execute(text(f"DELETE FROM audit_words WHERE event_id IN ({gone})"), {"upto": upto})  # noqa: S608 - the same
    session.execute(text("DELETE FROM audit_seal WHERE number <= :upto"), {"upto": upto})
    session.execute(text("DELETE FROM audit_checkpoint WHERE number < :upto"), {"upto": upto})
    record(
        session=session,
        actor=ACTOR,
        at=at,
        action=ACTION,
        object_type="trail",
        object_id=chain.name,
        difference={"events": (len(removed), 0), "seal": (None, upto), "before": (None, written(before))},
    )
    return len(removed)
