"""JSON API of the trail."""

from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify
from pydantic import BaseModel, Field

from tenants.door import api_room
from tenants.lists import fields_of, page_of
from tenants.office.trail import reading
from tenants.office.trail.forms import FIELDS, search_for
from tenants.office.trail.naming import named, sought
from tenants.schemas import Asked, Day, Id, Instant, ListQuery, Narrowing, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.audit import queries
from webapp.audit.rules import Event
from webapp.audit.seals import Chain
from webapp.kernel.errors import NotFound
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_audit_events", __name__, tag="audit events")


class EventOut(BaseModel):
    """Who did what to what; `difference` maps a field to [before, after]."""

    id: int
    at: Instant
    actor_id: UUID
    actor: str
    via: str
    action: str
    object_type: str
    object_id: str
    difference: dict[str, list[Any]]
    request_id: str
    source_address: str
    through_id: str
    decision_id: str


EventList = page_of(EventOut, "A page of events.")


class EventFilters(Asked):
    """What is looked for; all that is named must hold."""

    q: str | None = Field(
        None,
        max_length=200,
        pattern="^[^\\x00]*$",
        description="Words that the event holds, in any case, or their beginnings: of who, of what, of the difference.",
    )
    object_type: str | None = Field(None, max_length=100, pattern="^[^\\x00]*$")
    object_id: str | None = Field(None, max_length=200, pattern="^[^\\x00]*$", description="Together with object_type.")
    action: str | None = Field(None, max_length=100, pattern="^[^\\x00]*$")
    actor: str | None = Field(
        None,
        max_length=254,
        pattern="^[^\\x00]*$",
        description="The address or the id of who acted; of a service account its name.",
    )
    via: Literal["session", "token", "job", "cli", "link"] | None = None
    through_id: str | None = Field(
        None, max_length=100, pattern="^[^\\x00]*$", description="The id of the session, token or job."
    )
    date_from: Day | None = Field(None, description="The first day (UTC).")
    date_to: Day | None = Field(None, description="The last day (UTC), included.")


class EventQuery(ListQuery, EventFilters):
    """A page of events."""

    fields: fields_of(EventOut) = None


class ExportQuery(Narrowing, EventFilters):
    """An export of events."""

    format: Literal["jsonl", "csv"] = Field("jsonl", description="JSON lines with the proof, or CSV without.")


class EventPath(WorkspacePath):
    """One event of a workspace's trail."""

    event_id: Id


def event_out(event: Event) -> dict[str, Any]:
    """Write an event for JSON."""
    plain = ("id", "via", "action", "object_type", "object_id", "difference")
    where = ("request_id", "source_address", "through_id", "decision_id")
    return {
        "at": instant(event.at),
        "actor_id": str(event.actor_id),
        "actor": event.actor_label,
        **{name: getattr(event, name) for name in (*plain, *where)},
    }


@bp.get("/audit-events", responses={200: EventList}, operation_id="listAuditEvents", summary="List audit events")
@requires(Permission.TRAIL_EVENTS_READ)
def list_events(path: WorkspacePath, query: EventQuery) -> Response:
    """Events, newest first; of one object, one action, one person, with some words, in some days where named."""
    position = read_cursor("audit-events", query.cursor)
    rows = queries.events(
        session=g.db,
        limit=query.limit + 1,
        before_id=position[0] if position else None,
        search=_search(query),
    )
    page, cursor = cut(rows, query.limit, "audit-events", lambda row: [row.id])
    return answer_page([event_out(row) for row in named(session=g.db, events=page)], cursor)


def _search(query: EventFilters) -> queries.Search:
    texts = query.model_dump(include=set(FIELDS) - {"date_from", "date_to"}, exclude_none=True)
    return sought(session=g.db, search=search_for(texts, query.date_from, query.date_to))


@bp.get(
    "/audit-events/export",
    responses={
        200: {
            "description": "The events; with the proof as docs/trail-format.md describes it.",
            "content": {kind: {"schema": {"type": "string"}} for kind in reading.FORMATS.values()},
        }
    },
    operation_id="exportAuditEvents",
    summary="Export audit events",
)
@requires(Permission.TRAIL_EVENTS_READ)
def export_events(path: WorkspacePath, query: ExportQuery) -> Response:
    """Give the events as a file, at most 100,000 of them; that they were given is an event itself.

    JSON lines hold what is sealed and signed by now, and the proof of it, which a program of its own verifies.
    """
    place = reading.Place(Chain.of(g.tenant.id), path.slug, "", "", "")
    asked = query.model_dump(mode="json", include=set(FIELDS), exclude_none=True)
    return reading.give(place, _search(query), query.format, asked)


@bp.get(
    "/audit-events/<int:event_id>",
    responses={200: EventOut},
    operation_id="getAuditEvent",
    summary="Get an audit event",
)
@requires(Permission.TRAIL_EVENTS_READ)
def get_event(path: EventPath) -> Response:
    """One event."""
    found = queries.event(session=g.db, event_id=path.event_id)
    if found is None:
        raise NotFound
    return jsonify(event_out(*named(session=g.db, events=[found])))
