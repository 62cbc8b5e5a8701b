"""The time zone in which a workspace means the hours and days of conditions, on a page."""

from zoneinfo import ZoneInfo

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.access import time_zone
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other

bp = Blueprint("office_time_zone", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/time-zone")
@requires(Permission.ACCESS_ROLES_READ)
def show_time_zone() -> Response:
    """Show the time zone, and what time it is there."""
    return _page(g.tenant.time_zone)


@bp.post("/time-zone")
@requires(Permission.POLICIES_OWN_ACTIVATE, confirm=True)
def change_time_zone() -> Response:
    """Choose another time zone; for owners, since it changes what policies mean."""
    typed = request.form.get("time_zone", "").strip()
    try:
        time_zone.set_time_zone(session=g.db, actor=g.actor, at=g.at, before=g.tenant.time_zone, zone=typed)
    except Invalid as error:
        return _page(typed, status=422, errors=field_errors(error))
    flash(_("Saved. It holds from the next click on."), "success")
    return see_other(url_for("office_time_zone.show_time_zone"))


def _page(typed: str, *, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    return render(
        "office/access/time_zone.html",
        status=status,
        typed=typed,
        zones=time_zone.zones(),
        here=g.at.astimezone(ZoneInfo(g.tenant.time_zone)).replace(tzinfo=None),
        errors=errors or {},
    )
