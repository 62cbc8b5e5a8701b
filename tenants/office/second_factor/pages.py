"""Which roles of the workspace need a second factor."""

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.second_factor import commands
from webapp.access.guard import ROLE_WORDS, requires
from webapp.access.permissions import Permission, offered
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other

bp = Blueprint("office_second_factor", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/second-factor")
@requires(Permission.MEMBERS_MEMBERS_READ)
def show() -> Response:
    """Show the roles."""
    return _page()


@bp.post("/second-factor")
@requires(Permission.MEMBERS_OWNERS_WRITE, confirm=True)
def choose() -> Response:
    """Choose the roles."""
    roles, before = request.form.getlist("roles"), g.tenant.second_factor_roles
    try:
        commands.require_for(session=g.db, actor=g.actor, at=g.at, before=before, roles=roles)
    except Invalid as error:
        return _page(status=422, errors=field_errors(error))
    flash(_("Saved. It holds from everybody's next page on."), "success")
    return see_other(url_for("office_second_factor.show"))


def _page(*, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    chosen = g.tenant.second_factor_roles
    return render(
        "office/second_factor/roles.html",
        status=status,
        roles=[(role.value, _(ROLE_WORDS[role])) for role in offered(ROLE_WORDS, kept=chosen)],
        chosen=chosen,
        has_shown=bool(g.second_factor),
        errors=errors or {},
    )
