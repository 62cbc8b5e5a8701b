"""The trail: who did what to what, when, from where, with the difference."""

from flask import Blueprint, Response, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.trail import words
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
        action_options=_options(words.ACTIONS, filters["action"]),
        object_options=_options(words.OBJECTS, filters["object_type"]),
        action_name=lambda name: _(words.ACTIONS[name]) if name in words.ACTIONS else name,
        object_name=lambda name: _(words.OBJECTS[name]) if name in words.OBJECTS else name,
        field_name=_field_name,
        value_name=lambda name, text: _(said) if (said := words.value_words(name, text)) else "",
        filters=filters,
        filtered=bool(given),
        clear_href=url_for("office_trail.list_events"),
        first_href=url_for("office_trail.list_events", **given) if position else None,
        next_href=url_for("office_trail.list_events", cursor=older, **given) if older else None,
        filter_href=lambda **change: url_for("office_trail.list_events", **(given | change)),
    )


def _options(names: dict[str, str], asked: str) -> list[tuple[str, str]]:
    """Return what can be chosen, in the order of the reader's words; what the address asks for is always among it."""
    known = sorted(((name, _(message)) for name, message in names.items()), key=lambda option: option[1].casefold())
    return known if not asked or asked in names else [*known, (asked, asked)]


def _field_name(name: str) -> str:
    message, number = words.field_words(name)
    if not message:
        return name
    return f"{_(message)} {number}" if number else _(message)
