"""Forget recorded decisions whose time is over: a job of each workspace with stores, once a day."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from tenants.office.policies.models import PolicyDecision, PolicyStore

FORGET = "policies.forget"
EVERY = timedelta(days=1)
AT_ONCE = 10_000


def forget_decisions(*, session: Session, at: datetime) -> int:
    """Delete recorded decisions that are older than their store keeps them (at most 10,000), and return how many."""
    count = 0
    for store_id, days in session.execute(select(PolicyStore.id, PolicyStore.log_days).order_by(PolicyStore.id)).all():
        old = (
            select(PolicyDecision.id)
            .where(PolicyDecision.store_id == store_id, PolicyDecision.at < at - timedelta(days=days))
            .order_by(PolicyDecision.at)
            .limit(AT_ONCE - count)
        )
        gone = session.execute(delete(PolicyDecision).where(PolicyDecision.id.in_(old)).returning(PolicyDecision.id))
        count += len(gone.all())
        if count >= AT_ONCE:
            break
    return count


def begin_round(*, session: Session, at: datetime) -> bool:
    """Note that a round begins; False when there is no store, or another chain of rounds was here within the hour."""
    recent = at - timedelta(hours=1)
    swept = session.execute(select(PolicyStore.log_swept_at)).scalars().all()
    if not swept or any(one is not None and one > recent for one in swept):
        return False
    session.execute(update(PolicyStore).values(log_swept_at=at))
    return True
