"""Read the trail, newest first, always bounded."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEvent
from webapp.audit.rules import Event


def event(*, session: Session, event_id: int) -> Event | None:
    """Return one event."""
    columns = [getattr(AuditEvent, name) for name in Event.__dataclass_fields__]
    row = session.execute(select(*columns).where(AuditEvent.id == event_id)).first()
    return None if row is None else Event(*row)


def events(
    *,
    session: Session,
    limit: int,
    before_id: int | None = None,
    object_type: str | None = None,
    object_id: str | None = None,
    action: str | None = None,
    actor: str | None = None,
) -> list[Event]:
    """Return at most `limit` events, newest first, older than `before_id`.

    Of one object, one action, one person (the label of then, in any case of its letters) where named.
    """
    columns = [getattr(AuditEvent, name) for name in Event.__dataclass_fields__]
    query = select(*columns).order_by(AuditEvent.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditEvent.id < before_id)
    if object_type is not None:
        query = query.where(AuditEvent.object_type == object_type)
    if object_id is not None:
        query = query.where(AuditEvent.object_id == object_id)
    if action is not None:
        query = query.where(AuditEvent.action == action)
    if actor is not None:
        query = query.where(func.lower(AuditEvent.actor_label) == actor.lower())
    return [Event(*row) for row in session.execute(query)]
