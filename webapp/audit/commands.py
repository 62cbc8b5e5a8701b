"""Write to the trail, in the transaction of the act itself: no trail, no act."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from webapp.audit.models import AuditEvent, PlatformAuditEvent
from webapp.kernel.actor import Actor

Difference = dict[str, tuple[Any, Any]]
"""Field to (before, after); values are JSON: text, whole numbers, booleans, null, lists and objects of them."""


def record(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    action: str,
    object_type: str,
    object_id: object,
    difference: Difference | None = None,
) -> None:
    """Append one event to the trail of the bound tenant, or of the platform when none is bound."""
    table = AuditEvent if session.info.get("tenant") else PlatformAuditEvent
    session.execute(
        insert(table),
        {
            "at": at,
            "actor_id": actor.person_id,
            "actor_label": actor.label,
            "via": actor.via,
            "action": action,
            "object_type": object_type,
            "object_id": str(object_id),
            "difference": {name: [before, after] for name, (before, after) in (difference or {}).items()},
            "request_id": actor.request_id,
            "source_address": actor.source_address,
        },
    )
