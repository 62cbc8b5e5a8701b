"""The decision log of a policy store on a page."""

import json
from uuid import UUID

from flask import Blueprint, Response, g, request, url_for

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.policies import commands, queries
from tenants.office.policies.queries import DecisionFilter
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.pagination import cut, read_cursor
from webapp.web.render import render

bp = Blueprint("office_policies_decisions", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

PAGE_ROWS = 50
TEXT_LENGTH_MAX = 500
FILTERS = ("subject_id", "action", "resource_id", "decision", "decision_id")


@bp.get("/policies/<store>/decisions")
@requires(Permission.POLICIES_DECISIONS_READ)
def list_decisions(store: str) -> Response:
    """List recorded decisions, newest first, of one subject, resource, action or outcome where asked for."""
    found = commands.found_store(session=g.db, slug=store)
    filters = {name: request.args.get(name, "").replace("\0", "").strip()[:TEXT_LENGTH_MAX] for name in FILTERS}
    given = {name: text for name, text in filters.items() if text}
    position = read_cursor("policy-decisions", request.args.get("cursor"))
    rows = queries.decisions(
        session=g.db,
        store_id=found.id,
        wanted=DecisionFilter(
            filters["subject_id"],
            filters["resource_id"],
            filters["action"],
            {"permit": True, "deny": False}.get(filters["decision"]),
            _id(filters["decision_id"]),
        ),
        before=position[0] if position else None,
        limit=PAGE_ROWS + 1,
    )
    page, onward = cut(rows, PAGE_ROWS, "policy-decisions", lambda row: [row.id])
    here = url_for("office_policies_decisions.list_decisions", store=store)
    return render(
        "office/policies/decisions.html",
        store=found,
        decisions=[(row, json.dumps(row.told, ensure_ascii=False) if row.told else "") for row in page],
        filters=filters,
        filtered=bool(given),
        clear_href=here,
        first_href=url_for("office_policies_decisions.list_decisions", store=store, **given) if position else None,
        next_href=url_for("office_policies_decisions.list_decisions", store=store, cursor=onward, **given)
        if onward
        else None,
        filter_href=lambda **more: url_for("office_policies_decisions.list_decisions", store=store, **(given | more)),
    )


def _id(text: str) -> UUID | None:
    """Read the id of a decision; what is none names none, so that nothing is found."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
