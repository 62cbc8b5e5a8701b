"""The trail: who did what to what, when, through what, from where, with the difference, and its seals."""

from flask import Blueprint, Response, g

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.trail import reading
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.audit.seals import Chain

bp = Blueprint("office_trail", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


def _place() -> reading.Place:
    endpoints = ("office_trail.list_events", "office_trail.export", "office_trail.script")
    return reading.Place(Chain.of(g.tenant.id), g.slug, *endpoints)


@bp.get("/audit-events")
@requires(Permission.TRAIL_EVENTS_READ)
def list_events() -> Response:
    """List events, newest first: of one object, one action, one person, one session, with some words, in some days."""
    return reading.show(_place())


@bp.get("/audit-events/export")
@requires(Permission.TRAIL_EVENTS_READ, confirm=True)
def export() -> Response:
    """Give what the address asks for as a file: JSON lines with the proof, or CSV."""
    return reading.give_asked(_place())


@bp.get("/audit-events/verify_trail.py")
@requires(Permission.TRAIL_EVENTS_READ)
def script() -> Response:
    """Give the program that verifies an export without Comptoir."""
    return reading.give_script()
