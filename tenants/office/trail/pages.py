"""The trail: who did what to what, when, from where, with the difference."""

from flask import Blueprint, Response, g, request, url_for

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.trail.rules import changes_of
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.audit import queries
from webapp.web.pagination import cut, read_cursor
from webapp.web.render import render

bp = Blueprint("office_trail", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

PAGE_ROWS = 50
TEXT_LENGTH_MAX = 200


@bp.get("/audit-events")
@requires(Permission.TRAIL_EVENTS_READ)
def list_events() -> Response:
    """List events, newest first: of one object, one action, one person."""
    filters = {
        name: request.args.get(name, "").replace("\0", "").strip()[:TEXT_LENGTH_MAX]
        for name in ("object_type", "object_id", "action", "actor")
    }
    given = {name: text for name, text in filters.items() if text}
    position = read_cursor("audit-events", request.args.get("cursor"))
    rows = queries.events(session=g.db, limit=PAGE_ROWS + 1, before_id=position[0] if position else None, **given)
    page, older = cut(rows, PAGE_ROWS, "audit-events", lambda row: [row.id])
    return render(
        "office/trail/trail.html",
        events=page,
        changes_of=changes_of,
        filters=filters,
        filtered=bool(given),
        clear_href=url_for("office_trail.list_events"),
        first_href=url_for("office_trail.list_events", **given) if position else None,
        next_href=url_for("office_trail.list_events", cursor=older, **given) if older else None,
        filter_href=lambda **change: url_for("office_trail.list_events", **(given | change)),
    )
