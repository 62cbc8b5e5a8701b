"""The erasure of the workspace: asked for by an owner, called back by any of them for seven days."""

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.erasure import queries
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.backups import erasures
from webapp.backups.queries import HOLDINGS_MAX
from webapp.kernel.errors import Conflict, Invalid
from webapp.web.fields import field_errors
from webapp.web.problem import translate
from webapp.web.render import render, see_other

bp = Blueprint("office_erasure", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/erasure")
@requires(Permission.WORKSPACE_WORKSPACE_REMOVE)
def show() -> Response:
    """Show what an erasure would take, or when it comes."""
    return _page()


@bp.post("/erasure")
@requires(Permission.WORKSPACE_WORKSPACE_REMOVE, confirm=True)
def ask() -> Response:
    """Ask for the erasure, once the workspace's name was typed."""
    try:
        erasures.ask(session=g.db, actor=g.actor, at=g.at, name=request.form.get("name", "").replace("\0", ""))
    except Invalid as error:
        return _page(status=422, errors=field_errors(error))
    except Conflict as error:
        flash(translate(error.text, error.params), "warning")
    else:
        flash(_("The workspace is to be erased. Every owner is told by mail."), "success")
    return see_other(url_for("office_erasure.show"))


@bp.post("/erasure/recall")
@requires(Permission.WORKSPACE_WORKSPACE_REMOVE)
def call_back() -> Response:
    """Call the erasure back."""
    try:
        erasures.call_back(session=g.db, actor=g.actor, at=g.at)
    except Conflict as error:
        flash(translate(error.text, error.params), "warning")
    else:
        flash(_("The erasure is called back. Every owner is told by mail."), "success")
    return see_other(url_for("office_erasure.show"))


def _page(*, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    return render(
        "office/erasure/erasure.html",
        status=status,
        outlook=queries.outlook(session=g.db, at=g.at),
        slug=g.slug,
        grace_days=erasures.GRACE.days,
        counted_max=HOLDINGS_MAX,
        certificate_days=erasures.CERTIFICATE_LIFE.days,
        errors=errors or {},
    )
