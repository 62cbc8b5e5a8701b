"""Write to the trail, in the transaction of the act itself: no trail, no act."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.kernel.actor import Actor

Difference = dict[str, tuple[Any, Any]]
"""Field to (before, after); values are JSON: text, whole numbers, booleans, null, lists and objects of them."""


# Written with every act: a ready text costs a tenth of what building the expression costs.
_INSERT = """
    WITH event AS (INSERT INTO {schema}audit_event (at, actor_id, actor_label, via, action, object_type, object_id,
        difference, request_id, source_address, through_id, decision_id)
    VALUES (:at, :actor_id, :actor_label, :via, :action, :object_type, :object_id, CAST(:difference AS jsonb),
        :request_id, :source_address, :through_id, :decision_id) RETURNING id)
    INSERT INTO {schema}audit_unsealed (event_id) SELECT id FROM event
"""
_OF_TENANT = text(_INSERT.format(schema=""))
_OF_PLATFORM = text(_INSERT.format(schema="platform."))


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
    """Append one event to the trail of the bound tenant, or of the platform when none is bound.

    It waits unsealed, by a row that comes and goes with the act's own transaction: however acts overtake each other,
    each that is committed is sealed once.
    """
    session.execute(
        _OF_TENANT if session.info.get("tenant") else _OF_PLATFORM,
        {
            "at": at,
            "actor_id": actor.person_id,
            "actor_label": actor.label,
            "via": actor.via,
            "action": action,
            "object_type": object_type,
            "object_id": str(object_id),
            "difference": json.dumps(difference or {}),
            "request_id": actor.request_id,
            "source_address": actor.source_address,
            "through_id": actor.through_id,
            "decision_id": actor.decision_id,
        },
    )
