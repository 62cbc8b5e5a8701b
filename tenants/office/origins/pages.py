"""Which pages of other sites may call the JSON API from a browser."""

from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.origins import commands
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other

bp = Blueprint("office_origins", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/origins")
@requires(Permission.TOKENS_TOKENS_READ)
def show_origins() -> Response:
    """Show the origins that are let in."""
    return _page("\n".join(commands.allowed(session=g.db)))


@bp.post("/origins")
@requires(Permission.TOKENS_TOKENS_ADMINISTER)
def change_origins() -> Response:
    """Let other origins in."""
    typed = request.form.get("origins", "")
    try:
        commands.set_origins(session=g.db, actor=g.actor, at=g.at, origins=typed.split())
    except Invalid as error:
        return _page(typed, status=422, errors=field_errors(error))
    flash(_("Saved. It holds from the next call on."), "success")
    return see_other(url_for("office_origins.show_origins"))


def _page(typed: str, *, status: int = 200, errors: dict[str, Any] | None = None) -> Response:
    return render("office/origins/origins.html", status=status, origins=typed, errors=errors or {})
